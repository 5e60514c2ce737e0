// PerAppRoutes: one Caddy route an app. Caddy provisions everything again on each change, so
// changes are gathered and sent together.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "route/caddy_admin.hpp"
#include "vibed/route_table.hpp"

namespace vibed::route {

// All methods may be called from any thread at once. A change that fails is still part of
// routes(), so that a restarted Caddy gets it.
class PerAppRoutes final : public RouteTable {
 public:
  static constexpr std::chrono::milliseconds kInterval{200};

  // `known`: what Caddy serves already. Caddy hears of changes at most every `interval`.
  // `try_duration`: as FrontDoorPlan has it.
  PerAppRoutes(CaddyAdmin admin, std::string domain, const std::vector<Route>& known,
               std::chrono::milliseconds interval = kInterval, std::string try_duration = {});
  ~PerAppRoutes() override;

  Status publish(const Route& route) override;
  Status withdraw(const std::string& host) override;
  Status resync(const std::vector<Route>& routes) override;

  std::vector<Route> routes() const;  // what Caddy should serve, sorted by host

 private:
  // What several callers wait for together.
  struct Batch {
    std::set<std::string> hosts;
    bool all = false;
    bool done = false;
    Status outcome = success();
  };

  Status join_batch(std::unique_lock<std::mutex>& lock, const std::string& host, bool all);
  void work(const std::stop_token& stop);
  Status send(const Batch& batch);
  Status send_all();
  Status send_one(const std::string& host);

  CaddyAdmin admin_;
  std::string domain_;
  std::chrono::milliseconds interval_;
  std::string try_duration_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, std::string> wanted_;  // upstream by host; guarded by mutex_
  std::map<std::string, std::string> served_;  // as far as we know; guarded by mutex_
  std::shared_ptr<Batch> open_;                // the next to be sent, or null; guarded by mutex_
  bool stopping_ = false;                      // guarded by mutex_
  std::jthread worker_;
};

}  // namespace vibed::route
