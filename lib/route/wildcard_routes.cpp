#include "route/wildcard_routes.hpp"

#include "route/caddy_document.hpp"

namespace vibed::route {

Status WildcardRoutes::publish(const Route& route) {
  if (!is_app_host(route.host, domain_)) {
    return Error{Errc::invalid_argument,
                 "the wildcard layout serves <label>." + domain_ + " only, not " + route.host};
  }
  const std::string label = route.host.substr(0, route.host.size() - domain_.size() - 1);
  const std::string covered = "unix/" + run_ + "/apps/" + label + ".sock";
  if (route.upstream == covered) return success();
  return Error{Errc::invalid_argument, "the wildcard layout leads " + route.host + " to " +
                                           covered + ", not to " + route.upstream};
}

Status WildcardRoutes::withdraw(const std::string&) { return success(); }

Status WildcardRoutes::resync(const std::vector<Route>& routes) {
  for (const auto& route : routes) {
    if (auto published = publish(route); !published) return published;
  }
  return success();
}

}  // namespace vibed::route
