// The one document Caddy runs: pure, so that what is served can be read off a golden file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "route/caddy_version.hpp"
#include "vibed/route_table.hpp"

namespace vibed::route {

enum class Layout { wildcard, per_app };

struct FrontDoorPlan {
  Layout layout = Layout::wildcard;
  std::string listen;  // "127.0.0.1:18080"
  std::string domain;  // "localhost": apps are <label>.<domain>
  std::string run;     // absolute folder with apps/, waiting-room.sock, caddy-admin.sock
  CaddyVersion version;
  std::vector<Route> routes = {};  // per_app only, sorted by host

  // Where Caddy is not on the machine of the apps, what it dials there instead of sockets in `run`:
  std::string upstream = {};      // of the wildcard; {label} is the app's: "vibed-app-{label}:80"
  std::string waiting_room = {};  // "vibed.vibed-system.svc:8090"
  std::string try_duration = {};  // "3s": so long the ways to an app are tried that was not dialled
  nlohmann::json tls = {};        // Caddy's app `tls`, with which it listens for https; null: http
  nlohmann::json storage = {};    // Caddy's module for what it was issued; null: its own folder
  std::string redirect = {};      // with tls: where it listens for http and sends all to https
  int https_port = 443;           // in the URLs of apps, which may not be that of `listen`
  std::string marker = {};        // the @id of a small part, by which the document is known
};

// The whole configuration.
nlohmann::json caddy_document(const FrontDoorPlan& plan);

// One route of the per-app layout, and the id by which it is patched and deleted.
nlohmann::json app_route(const Route& route, const std::string& domain,
                         const std::string& try_duration = {});
std::string route_id(const std::string& host, const std::string& domain);

// Whether `host` is <label>.<domain> with a single label.
bool is_app_host(const std::string& host, const std::string& domain);

// What can be said of the layout and the version before anything is started: the per-app layout
// needs Caddy 2.7.
Status check_layout(Layout layout, const CaddyVersion& version);

// The per-app routes that a running document holds; how an adopted Caddy's are learned.
std::vector<Route> routes_of(const nlohmann::json& document);

inline constexpr const char* kAppRoutesPath = "/id/vibed-apps/handle/0/routes";

}  // namespace vibed::route
