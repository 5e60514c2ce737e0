#include "api/api.hpp"

#include "api/guard.hpp"
#include "api/routes.hpp"

namespace vibed::api {

http::Router make_api_router(Service& service, observe::Metrics& metrics,
                             const ApiOptions& options) {
  auto context = std::make_shared<const Context>(Context{service, metrics, options});
  http::Router router;
  add_deploy_routes(router, context);
  add_app_routes(router, context);
  add_log_routes(router, context);
  add_source_routes(router, context);
  add_health_routes(router, context);
  return router;
}

http::ServerOptions make_api_server_options(observe::Metrics& metrics, const ApiOptions& options) {
  http::ServerOptions server;
  server.spool_directory = options.spool_directory;
  server.response_headers.set("X-Content-Type-Options", "nosniff");
  server.response_headers.set("X-Frame-Options", "DENY");
  server.response_headers.set("Referrer-Policy", "strict-origin-when-cross-origin");
  server.response_headers.set("Cross-Origin-Resource-Policy", "same-origin");
  server.guard = [options](const http::Request& request) {
    auto allowed = check_host(request, options.hosts, options.any_host);
    if (allowed) {
      allowed = check_caller(options.authenticator, request);
    }
    if (allowed) return std::unique_ptr<http::Response>();
    auto refusal = std::make_unique<http::Response>(http::error_response(allowed.error()));
    if (refusal->status == 401) refusal->headers.set("WWW-Authenticate", "Bearer");
    return refusal;
  };
  server.observe = [&metrics](const std::string& method, const std::string& pattern, int status,
                              double seconds) {
    metrics.count_request(method, pattern, status, seconds);
  };
  return server;
}

}  // namespace vibed::api
