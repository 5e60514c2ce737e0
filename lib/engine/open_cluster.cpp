#include "engine/open_cluster.hpp"

#include <utility>

namespace vibed {

Result<std::unique_ptr<kube::Client>> open_cluster(const ClusterAccess& access,
                                                   const std::string& name,
                                                   observe::Metrics* metrics) {
  const auto variable = [&](const char* wanted) {
    const auto at = access.environment.find(wanted);
    return at == access.environment.end() ? std::string() : at->second;
  };
  kube::AccessSources places;
  places.kubeconfig = access.kubeconfig;
  places.context = access.context;
  places.kubeconfigs = variable("KUBECONFIG");
  places.service_host = variable("KUBERNETES_SERVICE_HOST");
  places.service_port = variable("KUBERNETES_SERVICE_PORT");
  places.home = variable("HOME");
  kube::Observe count;
  if (metrics != nullptr) {
    count = [metrics](const char* verb, const kube::Resource& resource, int status, double) {
      metrics->count_cluster_request(verb, resource.plural, status);
    };
  }
  auto found = kube::find_access(places);
  if (!found) return std::move(found).error();
  return kube::open_client(*std::move(found), {.name = name}, std::move(count));
}

}  // namespace vibed
