// The API client of a composition.
#pragma once

#include <memory>
#include <string>

#include "kube/client.hpp"
#include "observe/metrics.hpp"
#include "vibed/cluster.hpp"

namespace vibed {

// `name` is its user agent and field manager. Its requests are counted in `metrics`, which outlives
// it.
Result<std::unique_ptr<kube::Client>> open_cluster(const ClusterAccess& access,
                                                   const std::string& name,
                                                   observe::Metrics* metrics = nullptr);

}  // namespace vibed
