// Reading, deleting, suspending and resuming apps, and the templates they run on.
#include <charconv>

#include "api/json.hpp"
#include "api/routes.hpp"
#include "base/error_codes.hpp"

namespace vibed::api {
namespace {

using http::Request;
using http::Response;

// An integer of the query, 0 if it is not given.
Result<std::int64_t> integer(const Request& request, const std::string& name) {
  auto found = request.query.find(name);
  if (found == request.query.end()) return std::int64_t{0};
  const std::string& text = found->second;
  std::int64_t value = 0;
  const char* last = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data(), last, value);
  if (text.empty() || error != std::errc() || end != last) {
    return make_error("bad_parameter", name + " is not an integer");
  }
  return value;
}

Response list(const Context& context, const Request& request) {
  auto limit = integer(request, "limit");
  if (!limit) return http::error_response(limit.error());
  auto offset = integer(request, "offset");
  if (!offset) return http::error_response(offset.error());
  auto page = context.service.list(caller_of(context, request), *limit, *offset);
  if (!page) return http::error_response(page.error());
  return http::json_response(200, page_json(*page));
}

Response answer(int status, const Result<App>& app) {
  if (!app) return http::error_response(app.error());
  return http::json_response(status, app_json(*app));
}

Response remove(const Context& context, Request& request) {
  auto removed = context.service.remove(caller_of(context, request), request.parameters["app_id"],
                                        request.stop);
  context.metrics.count_delete(removed ? "success" : "failed");
  if (!removed) return http::error_response(removed.error());
  Response response;
  response.status = 204;
  return response;
}

Response versions(const Context& context, Request& request) {
  auto versions =
      context.service.versions(caller_of(context, request), request.parameters["app_id"]);
  if (!versions) return http::error_response(versions.error());
  return http::json_response(200, versions_json(*versions));
}

}  // namespace

void add_app_routes(http::Router& router, const SharedContext& context) {
  router.add("GET", "/v1/apps", [context](Request& request) { return list(*context, request); });
  router.add("GET", "/v1/apps/{app_id}", [context](Request& request) {
    return answer(200,
                  context->service.get(caller_of(*context, request), request.parameters["app_id"]));
  });
  router.add("DELETE", "/v1/apps/{app_id}",
             [context](Request& request) { return remove(*context, request); });
  router.add("POST", "/v1/apps/{app_id}/suspend", [context](Request& request) {
    return answer(
        202, context->service.suspend(caller_of(*context, request), request.parameters["app_id"]));
  });
  router.add("POST", "/v1/apps/{app_id}/resume", [context](Request& request) {
    return answer(
        202, context->service.resume(caller_of(*context, request), request.parameters["app_id"]));
  });
  router.add("GET", "/v1/apps/{app_id}/versions",
             [context](Request& request) { return versions(*context, request); });
  router.add("GET", "/v1/templates", [context](Request&) {
    return http::json_response(200, templates_json(context->service.templates()));
  });
}

}  // namespace vibed::api
