// Edge keeps a Caddy configured that somebody else runs: the other container of a pod.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "route/caddy_document.hpp"
#include "vibed/result.hpp"
#include "vibed/route_table.hpp"

namespace vibed::route {

struct EdgeOptions {
  // `run` is the folder in which Caddy listens for its admin API, as caddy-admin.sock: start it
  // with edge_bootstrap(). The marker and the routes are the edge's own.
  FrontDoorPlan plan = {};
  std::chrono::milliseconds look{250};  // how often Caddy is asked whether it still has it all
};

struct EdgeCondition {
  bool serving = false;
  int loads = 0;        // of the whole configuration since start()
  std::string message;  // why not serving
  // Why Caddy has no certificate for the domain; empty where it has one, and where it serves http.
  std::string certificate;
};

// All methods may be called from any thread at once. Caddy goes on serving when it is destroyed.
class Edge {
 public:
  // Returns at once; a Caddy that is not there yet is configured when it comes. bad_config: an
  // upstream without {label}, no waiting room, no try_duration.
  static Result<std::unique_ptr<Edge>> start(const EdgeOptions& options);
  virtual ~Edge() = default;

  // Of the per-app layout; the wildcard's needs none, and takes every route.
  virtual RouteTable& routes() = 0;
  virtual EdgeCondition condition() const = 0;
};

// What Caddy is started with: nothing but an admin API at <run>/caddy-admin.sock.
nlohmann::json edge_bootstrap(const std::string& run);

}  // namespace vibed::route
