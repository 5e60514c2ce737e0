#include "engine/probes.hpp"

#include <utility>

namespace vibed {
namespace {

using Steady = std::chrono::steady_clock;

Result<std::unique_ptr<http::Server>> serve(const std::string& address, http::Router router,
                                            const char* what) {
  auto started = http::start_server(address, std::move(router));
  if (!started) return std::move(started).error().during(what);
  return started;
}

}  // namespace

bool is_served(const std::string& address) { return !address.empty() && address != "0"; }

std::optional<std::chrono::seconds> seconds_since(const std::optional<Steady::time_point>& then) {
  if (!then) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::seconds>(Steady::now() - *then);
}

api::Component watched(const std::string& name, const std::optional<std::chrono::seconds>& deaf,
                       std::chrono::seconds deaf_after) {
  if (!deaf || *deaf < deaf_after) return {name, true, ""};
  return {name, false, "nothing heard of the cluster for " + std::to_string(deaf->count()) + " s"};
}

http::Router make_probe_router(Components components) {
  http::Router router;
  router.add("GET", "/healthz",
             [](http::Request&) { return http::json_response(200, "{\"status\":\"alive\"}\n"); });
  router.add("GET", "/readyz", [components = std::move(components)](http::Request&) {
    return api::readiness_response(components());
  });
  return router;
}

Result<std::unique_ptr<http::Server>> serve_metrics(const std::string& address,
                                                    std::function<std::string()> text) {
  if (!is_served(address)) return std::unique_ptr<http::Server>();
  http::Router router;
  router.add("GET", "/metrics", [text = std::move(text)](http::Request&) {
    http::Response response;
    response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    response.body = text();
    return response;
  });
  return serve(address, std::move(router), "serve metrics");
}

Result<std::unique_ptr<http::Server>> serve_probes(const std::string& address,
                                                   Components components) {
  if (!is_served(address)) return std::unique_ptr<http::Server>();
  return serve(address, make_probe_router(std::move(components)), "serve probes");
}

}  // namespace vibed
