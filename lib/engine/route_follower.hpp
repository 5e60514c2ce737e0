// RouteFollower keeps the front door's routes as the app records say.
#pragma once

#include <memory>

#include "vibed/app_store.hpp"
#include "vibed/route_table.hpp"

namespace vibed {

// A running follower; stops in its destructor. Both parts outlive it.
class RouteFollower {
 public:
  virtual ~RouteFollower() = default;

  // Watches `apps` from the beginning: an app that serves is published, any other withdrawn. A
  // failed change is tried again.
  static std::unique_ptr<RouteFollower> start(AppStore& apps, RouteTable& routes);
};

}  // namespace vibed
