// WildcardRoutes: Caddy's one route leads to apps/<label>.sock by itself, so there is nothing to
// tell it.
#pragma once

#include <string>

#include "vibed/route_table.hpp"

namespace vibed::route {

// All methods may be called from any thread at once.
class WildcardRoutes final : public RouteTable {
 public:
  // `run`: the folder of apps/; `domain`: what the wildcard stands before.
  WildcardRoutes(std::string run, std::string domain)
      : run_(std::move(run)), domain_(std::move(domain)) {}

  // `invalid_argument` for what the wildcard does not cover: another domain or upstream.
  Status publish(const Route& route) override;
  Status withdraw(const std::string& host) override;
  Status resync(const std::vector<Route>& routes) override;

 private:
  std::string run_;
  std::string domain_;
};

}  // namespace vibed::route
