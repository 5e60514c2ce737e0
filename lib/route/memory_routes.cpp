#include "route/memory_routes.hpp"

namespace vibed {
namespace route {

Status MemoryRoutes::publish(const Route& route) {
  const std::lock_guard lock(mutex_);
  upstreams_.insert_or_assign(route.host, route.upstream);
  return success();
}

Status MemoryRoutes::withdraw(const std::string& host) {
  const std::lock_guard lock(mutex_);
  upstreams_.erase(host);
  return success();
}

Status MemoryRoutes::resync(const std::vector<Route>& routes) {
  const std::lock_guard lock(mutex_);
  upstreams_.clear();
  for (const auto& route : routes) upstreams_.insert_or_assign(route.host, route.upstream);
  return success();
}

std::vector<Route> MemoryRoutes::routes() const {
  const std::lock_guard lock(mutex_);
  std::vector<Route> result;
  for (const auto& [host, upstream] : upstreams_) result.push_back({host, upstream});
  return result;
}

}  // namespace route

std::unique_ptr<RouteTable> make_memory_route_table() {
  return std::make_unique<route::MemoryRoutes>();
}

}  // namespace vibed
