#include "route/caddy_admin.hpp"

namespace vibed::route {
namespace {

using nlohmann::json;

// A load of thousands of routes takes seconds.
constexpr std::chrono::seconds kChangeTimeout{60};

// What Caddy says of a refusal: {"error":"…"}.
std::string error_text(const fetch::Response& response) {
  const json body = json::parse(response.body, nullptr, false);
  const auto at = body.is_object() ? body.find("error") : body.end();
  if (body.is_object() && at != body.end() && at->is_string()) return at->get<std::string>();
  return "status " + std::to_string(response.status);
}

}  // namespace

CaddyAdmin::CaddyAdmin(std::string socket)
    : socket_(std::move(socket)), client_(fetch::make_client()) {}

Result<fetch::Response> CaddyAdmin::call(fetch::Request request) const {
  request.url = "http://localhost" + request.url;
  request.unix_socket = socket_;
  request.headers = {{"Content-Type", "application/json"}};
  return client_->send(request);
}

Result<json> CaddyAdmin::config(std::chrono::milliseconds timeout, std::stop_token stop) const {
  auto answer =
      call({.url = "/config/", .timeout = timeout, .connect_timeout = timeout, .stop = stop});
  if (!answer) return std::move(answer).error().during("ask Caddy");
  json document = json::parse(answer->body, nullptr, false);
  if (answer->status != 200 || document.is_discarded()) {
    return Error{Errc::unavailable, "ask Caddy: " + error_text(*answer)};
  }
  return document;
}

Result<bool> CaddyAdmin::has(const std::string& id, std::chrono::milliseconds timeout) const {
  auto answer = call({.url = "/id/" + id, .timeout = timeout, .connect_timeout = timeout});
  if (!answer) return std::move(answer).error().during("ask Caddy");
  if (answer->status == 200) return true;
  if (answer->status == 404) return false;
  return Error{Errc::unavailable, "ask Caddy: " + error_text(*answer)};
}

Status CaddyAdmin::load(const json& document) const { return change("POST", "/load", document); }

Status CaddyAdmin::change(const std::string& method, const std::string& path,
                          const json& value) const {
  fetch::Request request{.method = method, .url = path, .timeout = kChangeTimeout};
  if (!value.is_null()) request.body = value.dump();
  auto answer = call(std::move(request));
  if (!answer) return std::move(answer).error().during("change Caddy");
  if (answer->status / 100 == 2) return success();
  const Errc code = answer->status == 404   ? Errc::not_found
                    : answer->status == 400 ? Errc::invalid_argument
                                            : Errc::unavailable;
  return Error{code, "Caddy refused " + method + " " + path + ": " + error_text(*answer)};
}

}  // namespace vibed::route
