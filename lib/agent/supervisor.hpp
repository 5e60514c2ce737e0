// Supervisor decides when an app is started, started again, or given up.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "process/pidfd.hpp"

namespace vibed::agent {

enum class AppState { idle, starting, listening, restarting, failed };

std::string to_string(AppState state);

// The life of one app as a state machine. It has no clock and starts nothing: the shell tells what
// happened and asks when to start.
class Supervisor {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Five crashes with less than this between start and end are a loop.
  static constexpr std::chrono::seconds kLongLife{60};
  static constexpr int kMostCrashes = 5;
  static constexpr std::chrono::milliseconds kFirstDelay{100};
  static constexpr std::chrono::milliseconds kLongestDelay{10'000};

  // Wants the app to run. Without `restarts` its first end is final, as contract v1 has it.
  void start(Time now, bool restarts = true);

  // When the shell should try to start the app; nothing while it runs or should not.
  std::optional<Time> due() const { return due_; }

  void spawned(Time now);
  void spawn_failed(const std::string& message, Time now);
  void listening();
  void exited(const ExitStatus& status, Time now);

  // Nobody wants the app any more. The shell ends it; its exit changes nothing then.
  void stop();

  // It never got as far as being started: for the shell's own failures.
  void fail(const std::string& reason, const std::string& message);

  AppState state() const { return state_; }
  int restarts() const { return restarts_; }
  const std::optional<ExitStatus>& exit_status() const { return exit_status_; }
  const std::string& reason() const { return reason_; }    // of failed: "CrashLoop"
  const std::string& message() const { return message_; }  // for a person; also of restarting

 private:
  void crashed(const std::string& what, Time now);

  AppState state_ = AppState::idle;
  bool restarts_allowed_ = true;
  bool has_listened_ = false;  // ever, since start()
  int crashes_ = 0;            // in a row, none after a long life
  int restarts_ = 0;
  Time spawned_at_{};
  std::optional<Time> due_;
  std::optional<ExitStatus> exit_status_;
  std::string reason_;
  std::string message_;
};

// "exited with code 3", "was killed by signal 9".
std::string describe(const ExitStatus& status);

}  // namespace vibed::agent
