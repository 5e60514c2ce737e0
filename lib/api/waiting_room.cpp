#include "api/waiting_room.hpp"

#include <algorithm>
#include <optional>

#include "api/json.hpp"
#include "api/waiting_page.hpp"

namespace vibed::api {
namespace {

constexpr std::size_t kLabelSize = 12;
constexpr char kFindUpstream[] = "X-Vibed-Find-Upstream";
constexpr char kUpstream[] = "X-Vibed-Upstream";

// The label of "k3v0abc12345.localhost:18080". Whatever asks is not believed: only what has the
// form of a label is looked up.
std::optional<std::string> label_of(std::string_view host) {
  std::string label(host.substr(0, host.find('.')));
  for (char& c : label) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  bool good = label.size() == kLabelSize && host.size() > kLabelSize &&
              std::all_of(label.begin(), label.end(),
                          [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  return good ? std::optional(label) : std::nullopt;
}

Notice unknown() {
  return {404, "not_found", "There is no app here",
          "Nothing is deployed at this address, or it has been removed."};
}

Notice unreachable() {
  return {503,
          "app_starting",
          "This app cannot be reached",
          "vibed could not look it up; try again in a moment.",
          "",
          "",
          "",
          5};
}

Notice suspended(const WaitingRoomOptions& options) {
  Notice notice{503, "app_suspended", "This app is suspended",
                "It keeps its address and runs again when its owner resumes it.", "Suspended"};
  notice.retry_after = static_cast<int>(options.retry_suspended.count());
  return notice;
}

Notice failed() {
  return {502, "app_failed", "This app is not running",
          "It failed, and starting it again would not help.", "Failed"};
}

// Also of an app that is Ready: between its sandbox's end and vibed's seeing it, nobody answers.
Notice starting(const App& app, const WaitingRoomOptions& options) {
  Notice notice{503, "app_starting", "This app is starting",
                "This page loads again by itself as soon as it may be there."};
  notice.phase = std::string(to_string(app.status.phase));
  notice.retry_after = static_cast<int>(options.retry_starting.count());
  notice.refresh = true;
  return notice;
}

Notice notice_of(const App& app, const WaitingRoomOptions& options) {
  if (app.removed_at) return unknown();
  if (app.spec.suspended) return suspended(options);
  bool has_failed = app.status.phase == Phase::failed;
  Notice notice = has_failed ? failed() : starting(app, options);
  if (app.status.phase == Phase::ready) return notice;
  Why cause = why(app);
  notice.reason = cause.reason;
  notice.message = cause.message.substr(0, cause.message.find('\n'));
  return notice;
}

bool serves(const App& app) {
  return !app.removed_at && !app.spec.suspended && app.status.phase == Phase::ready;
}

Notice look_up(Service& service, const http::Request& request, const WaitingRoomOptions& options) {
  auto label = label_of(request.headers.get("Host"));
  if (!label) return unknown();
  auto app = service.find_by_label(*label);
  if (!app) return app.error().code == Errc::not_found ? unknown() : unreachable();
  Notice notice = notice_of(*app, options);
  if (serves(*app) && !request.headers.get(kFindUpstream).empty()) {
    notice.upstream = service.address_of(*app);
  }
  return notice;
}

}  // namespace

http::Router make_waiting_room(Service& service, const WaitingRoomOptions& options) {
  http::Router router;
  http::RouteOptions any;
  any.body = http::BodyMode::discard;
  auto handler = [&service, options](http::Request& request) {
    Notice notice = look_up(service, request, options);
    bool html = prefers_html(request.headers.get("Accept"));
    auto response = http::json_response(notice.status, "");
    response.body = html ? notice_html(notice) : notice_json(notice);
    if (html) response.headers.set("Content-Type", "text/html; charset=utf-8");
    response.headers.set("Cache-Control", "no-store");
    response.headers.set("Vary", "Accept");
    response.headers.set("X-Content-Type-Options", "nosniff");
    response.headers.set("Content-Security-Policy",
                         "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'");
    if (!notice.upstream.empty()) response.headers.set(kUpstream, notice.upstream);
    if (notice.retry_after > 0) {
      response.headers.set("Retry-After", std::to_string(notice.retry_after));
    }
    return response;
  };
  router.add("*", "/{path...}", handler, any);
  return router;
}

}  // namespace vibed::api
