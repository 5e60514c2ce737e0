#include "engine/controller_health.hpp"

#include <map>
#include <utility>

#include "engine/probes.hpp"

namespace vibed {
std::vector<api::Component> controller_components(const ControllerView& view,
                                                  std::chrono::seconds deaf_after) {
  if (!view.leads) {
    if (view.lease_deaf && *view.lease_deaf >= deaf_after) {
      return {{"leader", false,
               "the lease is out of reach for " + std::to_string(view.lease_deaf->count()) +
                   " s: " + view.lease_error}};
    }
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
  parts.push_back(watched("records", view.records_deaf, deaf_after));
  parts.push_back(watched("claims", view.claims_deaf, deaf_after));
  return parts;
}

void measure(AppStore& apps, SandboxPool& pool, observe::Metrics& metrics) {
  std::vector<observe::PoolCount> counts;
  std::map<std::string, bool> valid;
  for (const TemplateStatus& status : pool.templates()) {
    counts.push_back({status.name, "wanted", status.size});
    counts.push_back({status.name, "ready", status.ready});
    counts.push_back({status.name, "claimed", status.claimed});
    counts.push_back({status.name, "waiting", status.waiting});
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
