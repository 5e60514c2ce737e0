#include "route/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "base/files.hpp"

namespace vibed::route {
namespace {

constexpr std::size_t kStatLimit = 4096;
constexpr std::size_t kOutputLimit = 64 * 1024;

Result<std::uint64_t> start_time_of(pid_t pid) {
  auto stat = read_file("/proc/" + std::to_string(pid) + "/stat", kStatLimit);
  if (!stat) return stat.error();
  // The name, field 2, may hold spaces and brackets; fields are counted from its last bracket.
  std::size_t at = stat->rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) {
    at = stat->find(' ', at + 1);
  }
  if (at == std::string::npos) return Error{Errc::internal, "cannot read /proc/<pid>/stat"};
  return std::strtoull(stat->c_str() + at, nullptr, 10);
}

Fd open_pidfd(pid_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U))); }

bool readable(int fd, int timeout_ms) {
  pollfd item{fd, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&item, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const auto& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// posix_spawn's two option objects, freed together.
struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID));
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

Result<pid_t> run(SpawnSetup& setup, const std::vector<std::string>& argv,
                  const std::vector<std::string>& environment) {
  posix_spawn_file_actions_addclosefrom_np(&setup.actions, 3);
  posix_spawn_file_actions_addchdir_np(&setup.actions, "/");
  pid_t pid = 0;
  auto arguments = pointers(argv);
  auto variables = pointers(environment);
  const int failed = ::posix_spawn(&pid, argv.front().c_str(), &setup.actions, &setup.attributes,
                                   arguments.data(), variables.data());
  if (failed != 0) return errno_error("start " + argv.front(), failed);
  return pid;
}

}  // namespace

Result<Child> Child::spawn(const ChildOptions& options) {
  SpawnSetup setup;
  posix_spawn_file_actions_addopen(&setup.actions, 1, options.output.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&setup.actions, 1, 2);
  auto pid = run(setup, options.argv, options.environment);
  if (!pid) return pid.error();
  // Until it is reaped here the pid cannot become another process.
  Fd pidfd = open_pidfd(*pid);
  auto start_time = start_time_of(*pid);
  if (!pidfd || !start_time) {
    Error error = pidfd ? start_time.error() : errno_error("pidfd_open");
    ::kill(*pid, SIGKILL);
    ::waitpid(*pid, nullptr, 0);
    return error;
  }
  return Child(*pid, std::move(pidfd), *start_time);
}

Result<Child> Child::adopt(pid_t pid, std::uint64_t start_time) {
  // The pidfd first: a start time read after it belongs to the process it holds.
  Fd pidfd = open_pidfd(pid);
  if (!pidfd) return errno_error("pidfd_open");
  auto found = start_time_of(pid);
  if (!found || *found != start_time || readable(pidfd.get(), 0)) {
    return Error{Errc::not_found, "process " + std::to_string(pid) + " is gone"};
  }
  return Child(pid, std::move(pidfd), start_time);
}

bool Child::wait(int timeout_ms) {
  if (!readable(pidfd_.get(), timeout_ms)) return false;
  ::waitpid(pid_, nullptr, WNOHANG);  // fails with ECHILD for an adopted one, which is fine
  return true;
}

void Child::signal(int number) {
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0U);
}

Result<std::string> output_of(const std::vector<std::string>& argv, int timeout_ms) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  SpawnSetup setup;
  posix_spawn_file_actions_adddup2(&setup.actions, writer.get(), 1);
  posix_spawn_file_actions_addopen(&setup.actions, 2, "/dev/null", O_WRONLY, 0);
  auto pid = run(setup, argv, {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent"});
  if (!pid) return pid.error();
  writer.reset();
  std::string printed;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    char bytes[4096];
    if (left.count() <= 0 || !readable(reader.get(), static_cast<int>(left.count()))) break;
    const ssize_t got = ::read(reader.get(), bytes, sizeof bytes);
    if (got <= 0 || printed.size() > kOutputLimit) break;
    printed.append(bytes, static_cast<std::size_t>(got));
  }
  const Fd pidfd = open_pidfd(*pid);
  if (!pidfd || !readable(pidfd.get(), 1000)) ::kill(*pid, SIGKILL);
  int status = 0;
  ::waitpid(*pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return printed;
  return Error{Errc::unavailable, argv.front() + " failed"};
}

}  // namespace vibed::route
