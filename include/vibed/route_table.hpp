// RouteTable tells the front door which host leads where.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

struct Route {
  std::string host;      // "k3v0abc12345.localhost", without a port
  std::string upstream;  // what Caddy dials: "unix//run/…/apps/k3v0abc12345.sock" or "host:port"
  friend bool operator==(const Route&, const Route&) = default;
};

// All methods may be called from any thread at once, are idempotent and O(1) in the number of
// routes, resync excepted. Routes survive a restart of the front door.
class VIBED_EXPORT RouteTable {
 public:
  virtual ~RouteTable() = default;

  // `host` leads to `upstream` when this returns.
  virtual Status publish(const Route& route) = 0;
  virtual Status withdraw(const std::string& host) = 0;

  // The table holds exactly `routes` when this returns.
  virtual Status resync(const std::vector<Route>& routes) = 0;
};

// Remembers, and does nothing else.
VIBED_EXPORT std::unique_ptr<RouteTable> make_memory_route_table();

}  // namespace vibed
