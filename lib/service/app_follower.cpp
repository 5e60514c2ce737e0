#include "service/app_follower.hpp"

#include "base/log.hpp"

namespace vibed {

using Steady = std::chrono::steady_clock;

namespace {

constexpr std::chrono::hours kLong{24};
constexpr std::chrono::milliseconds kPause{200};

}  // namespace

AppFollower::AppFollower(AppStore& apps) : apps_(apps) {
  thread_ = std::jthread([this](const std::stop_token& stop) { follow(stop); });
}

AppFollower::~AppFollower() {
  thread_.request_stop();
  thread_.join();
}

void AppFollower::follow(const std::stop_token& stop) {
  auto watch = apps_.watch(0);
  std::mutex pause;
  std::condition_variable_any never;
  while (!stop.stop_requested()) {
    auto event = watch->next(stop, Steady::now() + kLong);
    if (event) {
      tell(*event);
      continue;
    }
    Errc code = event.error().code;
    if (code == Errc::cancelled || code == Errc::deadline_exceeded) continue;
    log::error("the app store cannot be followed", {{"error", event.error().message}});
    std::unique_lock lock(pause);
    never.wait_for(lock, stop, kPause, [] { return false; });
    // Level-based: beginning again costs time and misses nothing.
    if (code == Errc::conflict) watch = apps_.watch(0);
  }
}

void AppFollower::tell(const AppEvent& event) {
  std::lock_guard lock(mutex_);
  auto at = waiters_.find(event.app.name);
  if (at == waiters_.end()) return;
  for (Waiter* waiter : at->second) {
    waiter->newest_ = event;
    waiter->changed_.notify_all();
  }
}

AppFollower::Waiter::Waiter(AppFollower& follower, std::string name)
    : follower_(follower), name_(std::move(name)) {
  std::lock_guard lock(follower_.mutex_);
  follower_.waiters_[name_].insert(this);
}

AppFollower::Waiter::~Waiter() {
  std::lock_guard lock(follower_.mutex_);
  auto at = follower_.waiters_.find(name_);
  at->second.erase(this);
  if (at->second.empty()) follower_.waiters_.erase(at);
}

Result<AppEvent> AppFollower::Waiter::next(std::stop_token stop, Steady::time_point deadline) {
  std::unique_lock lock(follower_.mutex_);
  changed_.wait_until(lock, stop, deadline, [&] { return newest_.has_value(); });
  if (newest_) return *std::exchange(newest_, std::nullopt);
  if (stop.stop_requested()) return Error{Errc::cancelled, "the wait was given up"};
  return Error{Errc::deadline_exceeded, "nothing changed in time"};
}

}  // namespace vibed
