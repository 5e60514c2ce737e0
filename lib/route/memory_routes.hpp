// MemoryRoutes: the routes as a list that can be looked at.
#pragma once

#include <map>
#include <mutex>

#include "vibed/route_table.hpp"

namespace vibed::route {

// All methods may be called from any thread at once.
class MemoryRoutes final : public RouteTable {
 public:
  Status publish(const Route& route) override;
  Status withdraw(const std::string& host) override;
  Status resync(const std::vector<Route>& routes) override;

  std::vector<Route> routes() const;  // sorted by host

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> upstreams_;  // by host; guarded by mutex_
};

}  // namespace vibed::route
