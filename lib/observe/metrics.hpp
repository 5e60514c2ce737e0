// Metrics: what vibed counts about itself, in Prometheus' text format. An object, not a global.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vibed::observe {

// Some sandboxes of one template: state is "ready", "claimed" or "wanted".
struct PoolCount {
  std::string template_name;
  std::string state;
  int sandboxes = 0;
};

// All methods may be called from any thread at once.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // vibed_deploys_total, vibed_deploy_duration_seconds. `status`: "success" or "failed"; `target`:
  // the template, "" when it was refused before there was one.
  void count_deploy(const std::string& status, const std::string& target, double seconds);
  // vibed_deletes_total
  void count_delete(const std::string& status);
  // vibed_http_requests_total, vibed_http_request_duration_seconds. `pattern` is the route's, ""
  // if there is none: what strangers send never becomes a label.
  void count_request(const std::string& method, const std::string& pattern, int status,
                     double seconds);
  // vibed_sse_connections_active
  void stream_opened();
  void stream_closed();

  // vibed_artifacts_active{target}: these and no others.
  void set_apps(const std::map<std::string, int>& by_template);
  // vibed_pool_sandboxes{template,state}: these and no others.
  void set_pool(const std::vector<PoolCount>& counts);
  // vibed_pool_claims_total{template,result}: how many there have been, never fewer than before.
  void set_claims(const std::string& template_name, std::int64_t hits, std::int64_t misses);
  // vibed_template_validation{template,result}, result "valid" or "invalid": these and no others.
  void set_templates(const std::map<std::string, bool>& valid);
  // vibed_controller_leading: 1 or 0
  void set_leading(bool leads);
  // vibed_cluster_requests_total{verb,resource,status}: requests to the API server, watches
  // included. `status` 0: no answer came.
  void count_cluster_request(const std::string& verb, const std::string& resource, int status);

  // Everything there is, with the process's own figures read now.
  std::string text();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vibed::observe
