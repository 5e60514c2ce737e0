#include "agent/supervisor.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace vibed::agent {

std::string to_string(AppState state) {
  switch (state) {
    case AppState::idle: return "idle";
    case AppState::starting: return "starting";
    case AppState::listening: return "listening";
    case AppState::restarting: return "restarting";
    case AppState::failed: return "failed";
  }
  return "";
}

std::string describe(const ExitStatus& status) {
  if (status.signal != 0) return fmt::format("was killed by signal {}", status.signal);
  return fmt::format("exited with code {}", status.code);
}

void Supervisor::start(Time now, bool restarts) {
  *this = Supervisor();
  state_ = AppState::starting;
  restarts_allowed_ = restarts;
  due_ = now;
}

void Supervisor::spawned(Time now) {
  due_.reset();
  spawned_at_ = now;
  if (state_ == AppState::restarting) ++restarts_;
}

void Supervisor::spawn_failed(const std::string& message, Time now) {
  due_.reset();
  if (state_ == AppState::idle) return;
  // What ran before will run again once there is memory or room for a process.
  if (has_listened_) return crashed("could not be started: " + message, now);
  fail("StartFailed", message);
}

void Supervisor::listening() {
  if (state_ != AppState::starting && state_ != AppState::restarting) return;
  state_ = AppState::listening;
  has_listened_ = true;
  message_.clear();
}

void Supervisor::exited(const ExitStatus& status, Time now) {
  if (state_ == AppState::idle || state_ == AppState::failed) return;
  exit_status_ = status;
  if (now - spawned_at_ >= kLongLife) crashes_ = 0;
  if (!restarts_allowed_) return fail("AppExited", "the app " + describe(status));
  if (!has_listened_)
    return fail("AppExited", "the app " + describe(status) + " before it listened");
  crashed(describe(status), now);
}

void Supervisor::crashed(const std::string& what, Time now) {
  ++crashes_;
  if (crashes_ >= kMostCrashes) {
    return fail("CrashLoop", fmt::format("the app {}; it ended {} times without running for {} s",
                                         what, crashes_, kLongLife.count()));
  }
  state_ = AppState::restarting;
  message_ = "the app " + what;
  due_ = now + std::min(kLongestDelay, kFirstDelay * (1 << (crashes_ - 1)));
}

void Supervisor::stop() {
  state_ = AppState::idle;
  due_.reset();
}

void Supervisor::fail(const std::string& reason, const std::string& message) {
  state_ = AppState::failed;
  due_.reset();
  reason_ = reason;
  message_ = message;
}

}  // namespace vibed::agent
