#include "engine/route_follower.hpp"

#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/log.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;

// "http://k3v0abc12345.localhost:18080" → "k3v0abc12345.localhost"
std::string host_of(const std::string& url) {
  std::size_t begin = url.find("://");
  begin = begin == std::string::npos ? 0 : begin + 3;
  return url.substr(begin, url.find_first_of(":/", begin) - begin);
}

// The route an app should have. Also while it restarts: its upstream answers then, with the reason.
std::optional<Route> wanted_route(const AppEvent& event) {
  const AppStatus& status = event.app.status;
  if (event.gone || event.app.removed_at || status.url.empty() || status.route_target.empty()) {
    return std::nullopt;
  }
  if (status.phase == Phase::suspended) return std::nullopt;
  return Route{host_of(status.url), status.route_target};
}

class Follower final : public RouteFollower {
 public:
  Follower(AppStore& apps, RouteTable& routes)
      : apps_(apps), routes_(routes), thread_([this](const std::stop_token& stop) { run(stop); }) {}

 private:
  void run(const std::stop_token& stop) {
    std::unique_ptr<AppWatch> watch = apps_.watch(0);
    while (!stop.stop_requested()) {
      // With changes left over, look at them again after a while even if nothing new happens.
      auto deadline = std::chrono::steady_clock::now() + (pending_.empty() ? 1h : 1s);
      auto event = watch->next(stop, deadline);
      while (event) {  // all that has changed by now, so that the front door hears of it at once
        pending_[event->app.name] = wanted_route(*event);
        event = watch->next(stop, std::chrono::steady_clock::now());
      }
      if (event.error().code == Errc::cancelled) {
        return;
      } else if (event.error().code != Errc::deadline_exceeded) {
        log::error("route watch failed", {{"error", event.error().message}});
        watch = apps_.watch(0);
        std::this_thread::sleep_for(100ms);
      }
      apply();
    }
  }

  bool is_published(const std::string& app, const std::optional<Route>& route) const {
    const auto published = published_.find(app);
    if (published == published_.end()) return !route;
    return route && published->second == *route;
  }

  void apply() {
    std::erase_if(pending_,
                  [this](const auto& each) { return is_published(each.first, each.second); });
    if (pending_.size() < 2 || !apply_all()) apply_each();
  }

  // One change of the front door, which for some layouts costs as much for one app as for all.
  // False: one of them cannot be served, and the others must not wait for it.
  bool apply_all() {
    std::map<std::string, Route> wanted = published_;
    for (const auto& [app, route] : pending_) {
      if (route) {
        wanted[app] = *route;
      } else {
        wanted.erase(app);
      }
    }
    std::vector<Route> routes;
    for (const auto& [app, route] : wanted) routes.push_back(route);
    Status done = routes_.resync(routes);
    if (!done) {
      log::warn("routes not changed, will retry", {{"error", done.error().message}});
      return done.error().code != Errc::invalid_argument;
    }
    published_ = std::move(wanted);
    pending_.clear();
    return true;
  }

  void apply_each() {
    for (auto item = pending_.begin(); item != pending_.end();) {
      const auto& [app, route] = *item;
      if (is_published(app, route)) {
        item = pending_.erase(item);
        continue;
      }
      auto published = published_.find(app);
      Status done = success();
      if (published != published_.end() && (!route || route->host != published->second.host)) {
        done = routes_.withdraw(published->second.host);
        if (done) published_.erase(app);
      } else {
        done = routes_.publish(*route);
        if (done) published_[app] = *route;
      }
      if (!done) {
        log::warn("route not changed, will retry", {{"app", app}, {"error", done.error().message}});
        ++item;
      }
    }
  }

  AppStore& apps_;
  RouteTable& routes_;
  std::map<std::string, Route> published_;               // by app
  std::map<std::string, std::optional<Route>> pending_;  // by app
  std::jthread thread_;                                  // last: runs while the others live
};

}  // namespace

std::unique_ptr<RouteFollower> RouteFollower::start(AppStore& apps, RouteTable& routes) {
  return std::make_unique<Follower>(apps, routes);
}

}  // namespace vibed
