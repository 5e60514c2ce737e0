// What the programs of a cluster have in common on their command lines.
#pragma once

#include <string>
#include <vector>

#include "vibed/cluster.hpp"
#include "vibed/export.hpp"
#include "vibed/program.hpp"

namespace vibed {

// `options`, and then --kubeconfig and --context, which cluster_access() reads.
VIBED_EXPORT std::vector<OptionSpec> with_cluster_options(std::vector<OptionSpec> options);
VIBED_EXPORT ClusterAccess cluster_access(const Invocation& invocation);

// --install-secret-file, which install_secret() reads, a last line feed left out; without it
// VIBED_INSTALL_SECRET of the environment. `bad_usage` where neither has anything.
VIBED_EXPORT OptionSpec install_secret_option();
VIBED_EXPORT Result<std::string> install_secret(const Invocation& invocation);

}  // namespace vibed
