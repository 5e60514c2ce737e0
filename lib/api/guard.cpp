#include "api/guard.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error_codes.hpp"

namespace vibed::api {
namespace {

using http::same_name;

Error foreign(const char* what) { return make_error("foreign_host", what); }

std::string_view port_of(std::string_view address) {
  std::size_t colon = address.rfind(':');
  return colon == address.npos ? "" : address.substr(colon + 1);
}

bool is_own(std::string_view host, std::string_view port) {
  constexpr std::array<std::string_view, 3> kNames = {"127.0.0.1", "localhost", "[::1]"};
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view name) {
    std::string with_port = std::string(name) + ":" + std::string(port);
    return same_name(host, with_port) || (port == "80" && same_name(host, name));
  });
}

// How often a field occurs: two Origins are as good as a wrong one.
auto count(const http::Request& request, std::string_view name) {
  const auto& fields = request.headers.all();
  return std::count_if(fields.begin(), fields.end(),
                       [&](const auto& field) { return same_name(field.first, name); });
}

bool is_own_origin(std::string_view origin, std::string_view host) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme) && same_name(origin.substr(scheme.size()), host)) return true;
  }
  return false;
}

bool is_navigation(const http::Request& request) {
  return (request.method == "GET" || request.method == "HEAD") &&
         request.headers.get("Sec-Fetch-Mode") == "navigate";
}

}  // namespace

Status check_host(const http::Request& request, const std::vector<std::string>& hosts,
                  bool any_host) {
  std::string_view host = request.headers.get("Host");
  bool configured =
      any_host || std::any_of(hosts.begin(), hosts.end(),
                              [&](const std::string& own) { return same_name(own, host); });
  if (request.local != "unix" && !configured && !is_own(host, port_of(request.local))) {
    return foreign("this address is not the API's own; call it as localhost or 127.0.0.1");
  }
  if (count(request, "Origin") > 1 || count(request, "Sec-Fetch-Site") > 1) {
    return foreign("a header that may be there once is there twice");
  }
  if (request.headers.has("Origin") && !is_own_origin(request.headers.get("Origin"), host)) {
    return foreign("pages of another origin may not call the API");
  }
  std::string_view site = request.headers.get("Sec-Fetch-Site");
  if (site.empty() || site == "same-origin" || site == "none") return success();
  if (is_navigation(request)) return success();
  return foreign("pages of another site may not call the API");
}

Result<Caller> caller_of(const auth::Authenticator& authenticator, const http::Request& request) {
  if (count(request, "Authorization") > 1 || count(request, "X-Forwarded-User") > 1) {
    return Error{Errc::unauthenticated, "a header that may be there once is there twice"};
  }
  return authenticator.authenticate({.authorization = request.headers.get("Authorization"),
                                     .forwarded_user = request.headers.get("X-Forwarded-User"),
                                     .peer = request.peer});
}

Status check_caller(const auth::Authenticator& authenticator, const http::Request& request) {
  constexpr std::array<std::string_view, 3> kFolders = {"/v1/", "/api/", "/mcp/"};
  bool internal = request.path == "/mcp" ||
                  std::any_of(kFolders.begin(), kFolders.end(), [&](std::string_view folder) {
                    return request.path.starts_with(folder);
                  });
  if (!internal) return success();
  auto caller = caller_of(authenticator, request);
  if (!caller) return std::move(caller).error();
  return success();
}

}  // namespace vibed::api
