// AppFollower lets many threads wait for one app each, while a single watch follows them all.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "vibed/app_store.hpp"
#include "vibed/result.hpp"

namespace vibed {

// All methods may be called from any thread at once.
class AppFollower {
 public:
  // Follows `apps`, which outlives it, from now on.
  explicit AppFollower(AppStore& apps);
  ~AppFollower();

  // What becomes of one app. One thread at a time; the follower outlives it.
  class Waiter {
   public:
    Waiter(AppFollower& follower, std::string name);
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    // The newest change since the last call or since it was made. It may be of a time before that:
    // compare resource versions. `deadline_exceeded`, `cancelled`.
    Result<AppEvent> next(std::stop_token stop, std::chrono::steady_clock::time_point deadline);

   private:
    friend class AppFollower;
    AppFollower& follower_;
    const std::string name_;
    std::condition_variable_any changed_;
    std::optional<AppEvent> newest_;  // guarded by follower_.mutex_
  };

 private:
  void follow(const std::stop_token& stop);
  void tell(const AppEvent& event);

  AppStore& apps_;
  std::mutex mutex_;
  std::map<std::string, std::set<Waiter*>> waiters_;  // by name; guarded by mutex_
  std::jthread thread_;
};

}  // namespace vibed
