#include "engine/controller_health.hpp"

#include <map>
#include <utility>

namespace vibed {
namespace {

api::Component heard(const std::string& name, const std::optional<std::chrono::seconds>& deaf,
                     std::chrono::seconds deaf_after) {
  if (!deaf || *deaf < deaf_after) return {name, true, ""};
  return {name, false, "nothing heard of the cluster for " + std::to_string(deaf->count()) + " s"};
}

}  // namespace

std::vector<api::Component> controller_components(const ControllerView& view,
                                                  std::chrono::seconds deaf_after) {
  if (!view.leads) {
    return {
        {"leader", true, view.leader.empty() ? "waiting for the lead" : view.leader + " leads"}};
  }
  std::vector<api::Component> parts = {{"leader", true, "leading"}};
  if (!view.acts) {
    std::string why = view.trouble.empty() ? "reading what is in the cluster" : view.trouble;
    parts.push_back({"lifecycle", false, std::move(why)});
    return parts;
  }
  parts.push_back({"lifecycle", true, ""});
  parts.push_back(heard("records", view.records_deaf, deaf_after));
  parts.push_back(heard("claims", view.claims_deaf, deaf_after));
  return parts;
}

http::Router make_probe_router(std::function<std::vector<api::Component>()> components) {
  http::Router router;
  router.add("GET", "/healthz",
             [](http::Request&) { return http::json_response(200, "{\"status\":\"alive\"}\n"); });
  router.add("GET", "/readyz", [components = std::move(components)](http::Request&) {
    return api::readiness_response(components());
  });
  return router;
}

void measure(AppStore& apps, SandboxPool& pool, observe::Metrics& metrics) {
  std::vector<observe::PoolCount> counts;
  std::map<std::string, bool> valid;
  for (const TemplateStatus& status : pool.templates()) {
    counts.push_back({status.name, "wanted", status.size});
    counts.push_back({status.name, "ready", status.ready});
    counts.push_back({status.name, "claimed", status.claimed});
    metrics.set_claims(status.name, status.hits, status.misses);
    valid[status.name] = status.available;
  }
  metrics.set_templates(valid);
  metrics.set_pool(counts);
  std::map<std::string, int> by_template;
  if (auto page = apps.list("", 0, 0)) {
    for (const App& app : page->items) ++by_template[app.spec.template_name];
  }
  metrics.set_apps(by_template);
}

}  // namespace vibed
