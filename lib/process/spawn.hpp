// spawn: starts a program with exactly what it is given and nothing else of this process.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "process/pidfd.hpp"
#include "vibed/result.hpp"

struct sock_fprog;

namespace vibed {

struct PassedFd {
  int from = -1;  // in this process, stays open here
  int to = -1;    // in the program, 3 or more
};

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct ResourceLimit {
  int resource = 0;  // RLIMIT_…
  rlim_t soft = RLIM_INFINITY;
  rlim_t hard = RLIM_INFINITY;
};

struct SpawnOptions {
  std::vector<std::string> argv = {};  // argv[0] without '/' is looked up in PATH of `env`
  std::optional<std::vector<std::string>> env = {};  // "NAME=value"; nothing: this process's own
  std::string cwd = {};                              // empty: this process's
  int stdin_fd = -1;                                 // -1: /dev/null, for all three
  int stdout_fd = -1;
  int stderr_fd = -1;
  std::vector<PassedFd> fds = {};  // every other descriptor is closed
  bool new_session = false;        // setsid: leads a session and a group of its own
  bool new_group = false;          // setpgid only
  std::optional<mode_t> umask = {};
  std::optional<Identity> identity = {};   // needs root; supplementary groups are cleared
  std::vector<ResourceLimit> limits = {};  // after identity, so NPROC counts for the new uid
  std::vector<int> cgroup_procs = {};  // open cgroup.procs files the program joins before it runs
  int death_signal = 0;                // sent to the program when the thread that spawned it ends

  // A seccomp filter installed just before exec with its notification descriptor sent over
  // `notify_socket` (SCM_RIGHTS, one byte). If the kernel has none, nothing is sent and the program
  // runs without. Sets no_new_privs.
  const sock_fprog* notify_filter = nullptr;
  int notify_socket = -1;
};

// Starts the program and returns once exec has succeeded. Safe in a process with many threads: all
// signals are blocked meanwhile and the new process does only what a signal handler may. Its
// signals are all unblocked and at their defaults. `not_found` and `permission_denied` tell of the
// program or cwd.
//
// The caller reaps it: Process::reap().
Result<Process> spawn(const SpawnOptions& options);

}  // namespace vibed
