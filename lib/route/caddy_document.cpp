#include "route/caddy_document.hpp"

#include <algorithm>

#include "route/certificate.hpp"

namespace vibed::route {
namespace {

using nlohmann::json;

// Dial timeouts. A node that does not know a Service yet may send what is dialled there to nowhere:
// the first dial of several waits for as long as a busy node needs, not for a lost packet.
constexpr const char* kFirst = "100ms";
constexpr const char* kAgain = "500ms";
constexpr const char* kOnly = "2s";

// Whether the apps are somewhere else than this Caddy.
bool is_edge(const FrontDoorPlan& plan) { return !plan.upstream.empty(); }

// The label of the app, counted from the right: "localhost" has one label, so the app's is 1.
std::string label_placeholder(const std::string& domain) {
  const auto dots = std::count(domain.begin(), domain.end(), '.');
  return "{http.request.host.labels." + std::to_string(dots + 1) + "}";
}

// A list of one; with braces alone compilers disagree on what that is.
json list_of(json item) {
  json list = json::array();
  list.push_back(std::move(item));
  return list;
}

// For every request: what a visitor may not tell an app or the waiting room. Caddy replaces
// X-Forwarded-For, -Proto and -Host by itself. Proxy is the httpoxy header.
json strip_visitor_headers() {
  json strip = {{"handler", "headers"},
                {"request",
                 {{"delete", {"X-Vibed-*", "X-Forwarded-User", "Forwarded", "Proxy"}},
                  {"set", {{"X-Real-Ip", list_of("{http.request.remote.host}")}}}}}};
  return {{"handle", list_of(strip)}};
}

// Keep-alive is off: a kept connection would stay with the old sandbox after a redeploy.
// compression off: bytes and Content-Length arrive as the app sent them.
json plain_transport(const std::string& dial_timeout) {
  return {{"protocol", "http"},
          {"dial_timeout", dial_timeout},
          {"compression", false},
          {"keep_alive", {{"enabled", false}}}};
}

json proxy_to(const std::string& upstream, const std::string& dial_timeout = kOnly,
              const std::string& try_duration = {}) {
  // A short interval and not -1: with -1 Caddy does not tell the app that its visitor has left.
  json proxy = {{"handler", "reverse_proxy"},
                {"upstreams", list_of({{"dial", upstream}})},
                {"flush_interval", "1ms"},
                {"transport", plain_transport(dial_timeout)}};
  if (try_duration.empty()) return proxy;
  // Dial errors are tried again whatever the method; no method matches what else is, a GET that an
  // app took and did not answer.
  proxy["load_balancing"] = {{"try_duration", try_duration},
                             {"try_interval", "20ms"},
                             {"retry_match", list_of({{"method", list_of("NEVER")}})}};
  return proxy;
}

// "vibed-app-{label}:80" with Caddy's placeholder for the label of an app of `domain`.
std::string wildcard_upstream(const FrontDoorPlan& plan) {
  const std::string label = label_placeholder(plan.domain);
  if (!is_edge(plan)) return "unix/" + plan.run + "/apps/" + label + ".sock";
  constexpr std::string_view kLabel = "{label}";
  std::string upstream = plan.upstream;
  const std::size_t at = upstream.find(kLabel);
  return at == upstream.npos ? upstream : upstream.replace(at, kLabel.size(), label);
}

json static_text(const json& status, const std::string& body) {
  return {{"handler", "static_response"},
          {"status_code", status},
          {"headers",
           {{"Content-Type", list_of("text/plain; charset=utf-8")},
            {"Cache-Control", list_of("no-store")}}},
          {"body", body}};
}

// `handler`, and what `errors` say where it fails.
json attempt(json handler, json errors) {
  return {{"handler", "subroute"},
          {"routes", list_of({{"handle", list_of(std::move(handler))}})},
          {"errors", {{"routes", std::move(errors)}}}};
}

json vibed_is_down() {
  json down = static_text(503, "vibed is not running; this app is not reachable right now\n");
  down["headers"]["Retry-After"] = list_of("5");
  return down;
}

json ask_waiting_room(const FrontDoorPlan& plan, bool with_body) {
  json proxy = proxy_to(plan.waiting_room.empty() ? "unix/" + plan.run + "/waiting-room.sock"
                                                  : plan.waiting_room);
  json request = {{"set",
                   {{"X-Vibed-App", list_of(label_placeholder(plan.domain))},
                    {"X-Vibed-Original-Method", list_of("{http.request.orig_method}")}}}};
  if (!with_body) {
    proxy["rewrite"] = {{"method", "GET"}};
    request["delete"] = list_of("Content-Length");
  }
  proxy["headers"] = {{"request", request}};
  return proxy;
}

// To the waiting room; what follows when vibed itself is down is a plain 503.
json waiting_room(const FrontDoorPlan& plan, bool with_body) {
  return attempt(ask_waiting_room(plan, with_body),
                 list_of({{"handle", list_of(vibed_is_down())}}));
}

// Of an app's proxy that failed; the handler answers where nobody took the request.
json error_routes(const FrontDoorPlan& plan, json not_dialled_handler) {
  // The dial error and not every 502: an app that took a request and died must not see it arrive
  // somewhere else as well.
  const std::string dial = is_edge(plan) ? "dial tcp" : "dial unix";
  const json not_dialled = {{"host", list_of("*." + plan.domain)},
                            {"expression",
                             "{http.error.status_code} in [502, 504] && "
                             "{http.error.message}.contains(\"" +
                                 dial + "\")"}};
  const json reset = {{"expression", "{http.error.status_code} == 502"}};
  const json reset_text = static_text(502, "the app closed the connection before it answered\n");
  const json other_text = static_text("{http.error.status_code}",
                                      "{http.error.status_code} {http.error.status_text}\n");
  json routes = json::array();
  routes.push_back({{"match", list_of(not_dialled)},
                    {"terminal", true},
                    {"handle", list_of(std::move(not_dialled_handler))}});
  routes.push_back(
      {{"match", list_of(reset)}, {"terminal", true}, {"handle", list_of(reset_text)}});
  routes.push_back({{"handle", list_of(other_text)}});
  return routes;
}

// Where a failed dial does not mean that no app runs: a node of a cluster knows a Service and its
// pod up to a second after vibed does (kube-proxy's minSyncPeriod). So the waiting room is asked
// where the app is. If it knows, the app is tried there, then there and at its Service by turns; if
// not, what it sent is the answer. Without a waiting room the Service is tried again.
json another_way(const FrontDoorPlan& plan) {
  const std::string found_at = "{http.reverse_proxy.header.X-Vibed-Upstream}";
  const json service = proxy_to(wildcard_upstream(plan), kAgain, plan.try_duration);
  json both = service;
  both["upstreams"].push_back({{"dial", found_at}});
  both["load_balancing"]["selection_policy"] = {{"policy", "random"}};
  json ask = ask_waiting_room(plan, false);
  // Caddy keeps the body for the app only if a rewrite changes something, and a GET is one already.
  ask["rewrite"]["uri"] = "/upstream";
  ask["headers"]["request"]["set"]["X-Vibed-Find-Upstream"] = list_of("1");
  const json last = attempt(both, error_routes(plan, waiting_room(plan, true)));
  const json found = attempt(proxy_to(found_at, kAgain), error_routes(plan, last));
  ask["handle_response"] = list_of({{"match", {{"headers", {{"X-Vibed-Upstream", list_of("*")}}}}},
                                    {"routes", list_of({{"handle", list_of(found)}})}});
  const json alone = attempt(service, error_routes(plan, vibed_is_down()));
  return attempt(ask, list_of({{"handle", list_of(alone)}}));
}

// Where no app has taken the request.
json not_taken(const FrontDoorPlan& plan, bool with_body) {
  return is_edge(plan) ? another_way(plan) : waiting_room(plan, with_body);
}

// A route for all of *.domain.
json domain_route(const FrontDoorPlan& plan, json handler) {
  return {{"match", list_of({{"host", list_of("*." + plan.domain)}})},
          {"terminal", true},
          {"handle", list_of(std::move(handler))}};
}

void add_wildcard_routes(const FrontDoorPlan& plan, json& routes) {
  routes.push_back(
      domain_route(plan, proxy_to(wildcard_upstream(plan), is_edge(plan) ? kFirst : kOnly)));
}

void add_per_app_routes(const FrontDoorPlan& plan, json& routes) {
  json apps = json::array();
  for (const auto& route : plan.routes)
    apps.push_back(app_route(route, plan.domain, plan.try_duration));
  // A group of its own, so that a route can be appended without ending up behind the last one.
  const json group = {{"handler", "subroute"}, {"routes", apps}};
  routes.push_back({{"@id", "vibed-apps"}, {"handle", list_of(group)}});
  routes.push_back(domain_route(plan, not_taken(plan, true)));
}

json server(const FrontDoorPlan& plan) {
  json routes = list_of(strip_visitor_headers());
  if (plan.layout == Layout::wildcard) {
    add_wildcard_routes(plan, routes);
  } else {
    add_per_app_routes(plan, routes);
  }
  // Without a last route Caddy answers 200 with nothing in it.
  json last = static_text(421, "no app has this host name\n");
  if (!plan.marker.empty()) last["@id"] = plan.marker;
  routes.push_back({{"handle", list_of(last)}});
  json server = {
      {"listen", list_of(plan.listen)},
      {"automatic_https", {{"disable", true}}},
      {"protocols", list_of("h1")},
      {"read_header_timeout", "10s"},
      {"idle_timeout", "2m"},
      {"max_header_bytes", 64 * 1024},
      {"routes", routes},
      {"errors", {{"routes", error_routes(plan, not_taken(plan, plan.version.keeps_body()))}}}};
  if (plan.tls.is_null()) return server;
  server["protocols"] = {"h1", "h2"};
  server["tls_connection_policies"] = list_of(json::object());
  return server;
}

// Sends whoever comes by http to the same place by https. 308: a POST stays one.
json redirect_server(const FrontDoorPlan& plan) {
  const std::string port = plan.https_port == 443 ? "" : ":" + std::to_string(plan.https_port);
  json move = {
      {"handler", "static_response"},
      {"status_code", 308},
      {"headers",
       {{"Location", list_of("https://{http.request.host}" + port + "{http.request.uri}")}}}};
  return {{"listen", list_of(plan.redirect)},
          {"automatic_https", {{"disable", true}}},
          {"protocols", list_of("h1")},
          {"read_header_timeout", "10s"},
          {"idle_timeout", "30s"},
          {"max_header_bytes", 64 * 1024},
          {"routes", list_of({{"handle", list_of(move)}})}};
}

// What an operator must know: on one machine in a bounded file, elsewhere where Caddy is run to.
json log_writer(const FrontDoorPlan& plan) {
  if (is_edge(plan)) return {{"output", "stderr"}};
  return {{"output", "file"},
          {"filename", plan.run + "/caddy.log"},
          {"roll_size_mb", 5},
          {"roll_keep", 1}};
}

// Once more what went wrong with certificates, in a small file beside the socket: an edge reads it.
json certificate_logger(const FrontDoorPlan& plan) {
  return {{"level", "ERROR"},
          {"include", list_of("tls")},
          {"encoder", {{"format", "json"}}},
          {"writer",
           {{"output", "file"},
            {"filename", certificate_log(plan.run)},
            {"roll_size_mb", 1},
            {"roll_keep", 1}}}};
}

}  // namespace

json caddy_document(const FrontDoorPlan& plan) {
  // Dial errors are everyday here, and so are our own questions to the admin API.
  json log = {{"level", "INFO"},
              {"exclude", json::array({"http.log.error", "admin.api"})},
              {"writer", log_writer(plan)}};
  json document = {
      {"admin",
       {{"listen", "unix/" + plan.run + "/caddy-admin.sock"},
        {"origins", list_of("localhost")},
        {"config", {{"persist", false}}}}},
      {"logging", {{"logs", {{"default", log}}}}},
      {"apps", {{"http", {{"grace_period", "2s"}, {"servers", {{"apps", server(plan)}}}}}}}};
  if (plan.tls.is_null()) return document;
  document["apps"]["tls"] = plan.tls;
  document["logging"]["logs"]["certificates"] = certificate_logger(plan);
  if (!plan.storage.is_null()) document["storage"] = plan.storage;
  if (!plan.redirect.empty()) {
    document["apps"]["http"]["servers"]["redirect"] = redirect_server(plan);
  }
  return document;
}

bool is_app_host(const std::string& host, const std::string& domain) {
  if (host.size() <= domain.size() + 1 || !host.ends_with("." + domain)) return false;
  const std::string_view label(host.data(), host.size() - domain.size() - 1);
  return label.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

std::string route_id(const std::string& host, const std::string& domain) {
  if (is_app_host(host, domain)) {
    return "vibed-app-" + host.substr(0, host.size() - domain.size() - 1);
  }
  return "vibed-host-" + host;
}

json app_route(const Route& route, const std::string& domain, const std::string& try_duration) {
  const bool there_are_other_ways = !try_duration.empty() && is_app_host(route.host, domain);
  json proxy = there_are_other_ways ? proxy_to(route.upstream, kFirst)
                                    : proxy_to(route.upstream, kOnly, try_duration);
  // Every change of another app re-provisions this handler too; its WebSockets live on.
  proxy["stream_close_delay"] = "24h";
  return {{"@id", route_id(route.host, domain)},
          {"match", list_of({{"host", list_of(route.host)}})},
          {"terminal", true},
          {"handle", list_of(proxy)}};
}

std::vector<Route> routes_of(const json& document) {
  std::vector<Route> result;
  try {
    for (const auto& group : document.at("apps").at("http").at("servers").at("apps").at("routes")) {
      if (group.value("@id", "") != "vibed-apps") continue;
      for (const auto& route : group.at("handle").at(0).at("routes")) {
        result.push_back({route.at("match").at(0).at("host").at(0).get<std::string>(),
                          route.at("handle").at(0).at("upstreams").at(0).at("dial")});
      }
    }
  } catch (const json::exception&) {
    result.clear();  // not a document of ours: nothing to keep
  }
  return result;
}

Status check_layout(Layout layout, const CaddyVersion& version) {
  if (layout == Layout::wildcard || version.keeps_streams()) return success();
  return Error{Errc::invalid_argument,
               "route.layout per-app needs Caddy 2.7 or newer: this one is " + to_string(version) +
                   ", which would cut every open WebSocket whenever an app is published; use the "
                   "wildcard layout or a newer Caddy",
               "bad_config"};
}

}  // namespace vibed::route
