#include "process/pidfd.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>

#include "base/files.hpp"

namespace vibed {
namespace {

#ifndef P_PIDFD
constexpr auto kPidfd = static_cast<idtype_t>(3);
#else
constexpr auto kPidfd = static_cast<idtype_t>(P_PIDFD);
#endif

}  // namespace

Result<std::uint64_t> process_start_time(pid_t pid) {
  auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text) return Error{Errc::not_found, "no process " + std::to_string(pid)};
  // The name, in parentheses, may hold anything, also ")": fields are counted from the last one.
  std::size_t at = text->rfind(')');
  if (at == std::string::npos) return Error{Errc::internal, "odd /proc/<pid>/stat"};
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text->find(' ', at + 1);
  if (at == std::string::npos) return Error{Errc::internal, "short /proc/<pid>/stat"};
  std::uint64_t ticks = 0;
  std::from_chars(text->data() + at + 1, text->data() + text->size(), ticks);
  return ticks;
}

Status Process::signal(int number) const {
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0 || errno == ESRCH)
    return success();
  return errno_error("signal process " + std::to_string(pid_));
}

Status Process::signal_group(int number) const {
  // A zombie leader keeps the group's number taken; one that was reaped does not.
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), 0, nullptr, 0) != 0) return success();
  if (::kill(-pid_, number) == 0 || errno == ESRCH) return success();
  return errno_error("signal process group " + std::to_string(pid_));
}

bool Process::wait_exit(std::chrono::milliseconds timeout) const {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    int wait = -1;
    if (timeout.count() >= 0) {
      auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      wait = static_cast<int>(std::max<std::int64_t>(0, left.count()));
    }
    pollfd poll_fd{pidfd_.get(), POLLIN, 0};
    int ready = ::poll(&poll_fd, 1, wait);
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return false;
  }
}

Result<ExitStatus> Process::reap() {
  siginfo_t info{};
  while (::waitid(kPidfd, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0) {
    if (errno != EINTR) return errno_error("wait for process " + std::to_string(pid_));
  }
  if (info.si_code == CLD_EXITED) return ExitStatus{info.si_status, 0};
  return ExitStatus{-1, info.si_status};
}

Result<Process> open_process(pid_t pid, std::optional<std::uint64_t> start_time) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) {
    if (errno == ESRCH || errno == EINVAL)
      return Error{Errc::not_found, "no process " + std::to_string(pid)};
    return errno_error("open process " + std::to_string(pid));
  }
  if (start_time) {
    // Read after the handle was taken: if it still matches, the handle is of that process.
    auto actual = process_start_time(pid);
    if (!actual || *actual != *start_time)
      return Error{Errc::not_found, "process " + std::to_string(pid) + " is another one now"};
  }
  return Process(std::move(fd), pid);
}

}  // namespace vibed
