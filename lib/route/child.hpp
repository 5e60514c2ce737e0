// Processes that outlive the vibed that started them: spawned into a session of their own, known by
// pid and start time, watched and killed by pidfd.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "vibed/result.hpp"

namespace vibed::route {

struct ChildOptions {
  std::vector<std::string> argv;  // argv[0]: an absolute path
  std::vector<std::string> environment;
  std::string output;  // the file that gets stdout and stderr, emptied first
};

// A running process, ours or adopted. Destroying it leaves the process alone.
class Child {
 public:
  // Starts a process in its own session with no descriptor but 0 (empty), 1 and 2.
  static Result<Child> spawn(const ChildOptions& options);

  // The process `pid` if it still is the one that started at `start_time`; else `not_found`.
  static Result<Child> adopt(pid_t pid, std::uint64_t start_time);

  pid_t pid() const { return pid_; }
  std::uint64_t start_time() const { return start_time_; }
  int pidfd() const { return pidfd_.get(); }  // readable once the process has ended

  // Whether the process ended within `timeout_ms` (-1: however long it takes). Reaps it if it is
  // ours.
  bool wait(int timeout_ms);
  void signal(int number);

 private:
  Child(pid_t pid, Fd pidfd, std::uint64_t start_time)
      : pid_(pid), pidfd_(std::move(pidfd)), start_time_(start_time) {}

  pid_t pid_;
  Fd pidfd_;
  std::uint64_t start_time_;  // clock ticks since boot, as in /proc/<pid>/stat
};

// Runs `argv` and returns what it printed on stdout; fails when it does not end with status 0.
Result<std::string> output_of(const std::vector<std::string>& argv, int timeout_ms);

}  // namespace vibed::route
