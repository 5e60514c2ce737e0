// The API client of a composition.
#pragma once

#include <memory>
#include <string>

#include "kube/client.hpp"
#include "vibed/cluster.hpp"

namespace vibed {

// `name` is its user agent and field manager.
Result<std::unique_ptr<kube::Client>> open_cluster(const ClusterAccess& access,
                                                   const std::string& name,
                                                   kube::Observe observe = {});

}  // namespace vibed
