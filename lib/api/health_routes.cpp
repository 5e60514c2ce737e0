// /healthz, /readyz, /metrics.
#include <nlohmann/json.hpp>

#include "api/routes.hpp"
#include "base/time.hpp"

namespace vibed::api {
namespace {

using Json = nlohmann::ordered_json;

http::Response healthz(const Context& context) {
  auto up = std::chrono::steady_clock::now() - context.start;
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(up);
  Json body{{"status", "alive"}, {"uptime", to_duration_text(seconds)}};
  return http::json_response(200, body.dump() + "\n");
}

http::Response metrics(const Context& context) {
  std::vector<observe::PoolCount> pool;
  for (const TemplateStatus& status : context.service.templates()) {
    pool.push_back({status.name, "wanted", status.size});
    pool.push_back({status.name, "ready", status.ready});
    pool.push_back({status.name, "claimed", status.claimed});
    context.metrics.set_claims(status.name, status.hits, status.misses);
  }
  context.metrics.set_pool(pool);
  context.metrics.set_apps(context.service.apps_by_template());
  http::Response response;
  response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.body = context.metrics.text();
  return response;
}

}  // namespace

http::Response readiness_response(const std::vector<Component>& components) {
  Json parts = Json::object();
  bool ready = true;
  for (const Component& component : components) {
    ready = ready && component.ready;
    Json part{{"ready", component.ready}};
    if (!component.message.empty()) part["message"] = component.message;
    parts[component.name] = part;
  }
  Json body{{"status", ready ? "ready" : "not_ready"}, {"components", parts}};
  auto text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return http::json_response(ready ? 200 : 503, text + "\n");
}

void add_health_routes(http::Router& router, const SharedContext& context) {
  router.add("GET", "/healthz", [context](http::Request&) { return healthz(*context); });
  router.add("GET", "/readyz", [context](http::Request&) {
    const auto& components = context->options.components;
    return readiness_response(components ? components() : std::vector<Component>());
  });
  router.add("GET", "/metrics", [context](http::Request&) { return metrics(*context); });
}

}  // namespace vibed::api
