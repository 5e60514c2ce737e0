// ClusterAccess: which Kubernetes cluster, and as whom.
#pragma once

#include <map>
#include <string>

namespace vibed {

// Looked for in this order: `kubeconfig`, KUBECONFIG, the account of the pod that this process runs
// in, ~/.kube/config.
struct ClusterAccess {
  std::string kubeconfig = {};  // a file that must be there
  std::string context = {};     // of the kubeconfig; empty: its current one
  // Name → value: KUBECONFIG, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and HOME count.
  std::map<std::string, std::string> environment = {};
};

}  // namespace vibed
