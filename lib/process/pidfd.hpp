// Process: a handle of a running process that can never mean another one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/fd.hpp"
#include "vibed/result.hpp"

namespace vibed {

// How a process ended: by itself (`code`), or by a signal (then code is -1).
struct ExitStatus {
  int code = 0;
  int signal = 0;

  bool ok() const { return code == 0 && signal == 0; }
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

// When a process started, in clock ticks since boot; with its pid this names it for good, also
// after the pid was given to another. `not_found` if there is no such process.
Result<std::uint64_t> process_start_time(pid_t pid);

// Holds a pidfd. Closing it neither ends nor reaps the process. One thread at a time, but signal()
// and wait_exit() may be called while another thread is in them.
class Process {
 public:
  Process() = default;
  Process(Fd pidfd, pid_t pid) : pidfd_(std::move(pidfd)), pid_(pid) {}

  pid_t pid() const { return pid_; }
  int fd() const { return pidfd_.get(); }  // readable once the process has ended
  explicit operator bool() const { return static_cast<bool>(pidfd_); }

  // Sends `number`; a success if the process is gone already.
  Status signal(int number) const;

  // The same to the whole group that this process leads (setsid or setpgid was its doing or ours).
  // Checks that the leader is not reaped yet, so the number still means that group.
  Status signal_group(int number) const;

  // Waits until the process has ended. False: `timeout` passed first. A negative timeout waits for
  // ever. Works for any process, not only children.
  bool wait_exit(std::chrono::milliseconds timeout) const;

  // Takes a child's status, waiting for its end.
  // REQUIRES: a child of this process that nobody else reaps
  Result<ExitStatus> reap();

 private:
  Fd pidfd_;
  pid_t pid_ = 0;
};

// A handle of the process `pid`, which need not be a child. With `start_time` given a process that
// started at another time is `not_found`: the pid was used again.
Result<Process> open_process(pid_t pid, std::optional<std::uint64_t> start_time = std::nullopt);

}  // namespace vibed
