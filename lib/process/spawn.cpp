#include "process/spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace vibed {
namespace {

// What the new process does in which order; the number of the step that failed is reported.
enum class Step : int { session, cgroup, groups, identity, limits, files, directory, exec };

const char* name_of(Step step) {
  switch (step) {
    case Step::session: return "make a session";
    case Step::cgroup: return "join the cgroup";
    case Step::groups: return "clear groups";
    case Step::identity: return "change uid";
    case Step::limits: return "set limits";
    case Step::files: return "pass descriptors";
    case Step::directory: return "enter folder";
    case Step::exec: return "execute";
  }
  return "";
}

struct Failure {
  Step step = Step::exec;
  int number = 0;
};

// Everything the child needs, prepared before it exists: it may not allocate.
struct Plan {
  const SpawnOptions* options = nullptr;
  std::vector<char*> argv;
  std::vector<char*> env;
  std::vector<std::string> candidates;  // of the program's path
  std::vector<PassedFd> moves;          // 0, 1, 2 and the passed ones
  int first_free = 3;                   // above every target
  int failure_fd = -1;
};

// No sanitizer may look into the child: it shares the parent's memory and never returns.
#define VIBED_IN_CHILD __attribute__((no_sanitize("thread", "address", "undefined"), noinline))

[[noreturn]] VIBED_IN_CHILD void give_up(const Plan& plan, Step step) {
  Failure failure{step, errno};
  [[maybe_unused]] ssize_t ignored = ::write(plan.failure_fd, &failure, sizeof failure);
  ::_exit(127);
}

// The mask of the parent's thread is its own business: a program starts with none.
VIBED_IN_CHILD void reset_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < _NSIG; ++number) ::sigaction(number, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Raw calls: glibc's would make every thread of the parent change its uid too.
VIBED_IN_CHILD void become(const Plan& plan, const Identity& identity) {
  if (::syscall(SYS_setgroups, 0, nullptr) != 0) give_up(plan, Step::groups);
  if (::syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) != 0)
    give_up(plan, Step::identity);
  if (::syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid) != 0)
    give_up(plan, Step::identity);
}

// Sources go out of the way first, so that no target overwrites one that is still needed.
VIBED_IN_CHILD void place_fds(Plan& plan) {
  if (::syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) give_up(plan, Step::files);
  plan.failure_fd = ::fcntl(plan.failure_fd, F_DUPFD_CLOEXEC, plan.first_free);
  if (plan.failure_fd < 0) ::_exit(127);
  for (PassedFd& move : plan.moves) {
    if (move.from < 0) {
      move.from = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      if (move.from < 0) give_up(plan, Step::files);
    }
    move.from = ::fcntl(move.from, F_DUPFD_CLOEXEC, plan.first_free);
    if (move.from < 0) give_up(plan, Step::files);
  }
  for (const PassedFd& move : plan.moves) {
    if (::dup2(move.from, move.to) < 0) give_up(plan, Step::files);
  }
}

VIBED_IN_CHILD void send_listener(const sock_fprog* filter, int socket) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  long listener =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, filter);
  if (listener < 0) return;
  int fd = static_cast<int>(listener);
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  ::sendmsg(socket, &message, MSG_NOSIGNAL);
  ::close(fd);
}

// Before place_fds(): one of these may have the number of a target.
VIBED_IN_CHILD void join_cgroups(const Plan& plan) {
  for (int fd : plan.options->cgroup_procs) {
    if (::write(fd, "0", 1) != 1) give_up(plan, Step::cgroup);
  }
}

VIBED_IN_CHILD void apply(Plan& plan) {
  const SpawnOptions& options = *plan.options;
  if (options.new_session && ::setsid() < 0) give_up(plan, Step::session);
  if (options.new_group && ::setpgid(0, 0) != 0) give_up(plan, Step::session);
  if (options.umask) ::umask(*options.umask);
  if (options.identity) become(plan, *options.identity);
  for (const ResourceLimit& limit : options.limits) {
    rlimit value{limit.soft, limit.hard};
    if (::syscall(SYS_prlimit64, 0, limit.resource, &value, nullptr) != 0)
      give_up(plan, Step::limits);
  }
  if (options.death_signal != 0) ::prctl(PR_SET_PDEATHSIG, options.death_signal, 0, 0, 0);
  if (!options.cwd.empty() && ::chdir(options.cwd.c_str()) != 0) give_up(plan, Step::directory);
}

VIBED_IN_CHILD int child_main(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  reset_signals();
  int socket = plan.options->notify_socket;
  if (socket >= 0) socket = ::fcntl(socket, F_DUPFD_CLOEXEC, plan.first_free);
  join_cgroups(plan);
  place_fds(plan);
  apply(plan);
  if (plan.options->notify_filter != nullptr) send_listener(plan.options->notify_filter, socket);
  int number = ENOENT;
  for (const std::string& path : plan.candidates) {
    ::execve(path.c_str(), plan.argv.data(), plan.env.data());
    // As execvp does: what cannot be reached is looked for further on, the best reason is kept.
    if (errno == EACCES) number = EACCES;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
      number = errno;
      break;
    }
  }
  errno = number;
  give_up(plan, Step::exec);
}

std::string_view path_of(const std::vector<char*>& env) {
  for (const char* entry : env) {
    if (entry != nullptr && std::string_view(entry).substr(0, 5) == "PATH=") return entry + 5;
  }
  return "/usr/local/bin:/usr/bin:/bin";
}

std::vector<std::string> candidates_of(const std::string& program, std::string_view path) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> found;
  while (!path.empty()) {
    std::size_t colon = path.find(':');
    std::string folder(path.substr(0, colon));
    found.push_back((folder.empty() ? "." : folder) + "/" + program);
    path = colon == std::string_view::npos ? "" : path.substr(colon + 1);
  }
  return found;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

Plan plan_of(const SpawnOptions& options) {
  Plan plan;
  plan.options = &options;
  plan.argv = pointers_to(options.argv);
  if (options.env) {
    plan.env = pointers_to(*options.env);
  } else {
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
      plan.env.push_back(*entry);
    plan.env.push_back(nullptr);
  }
  plan.candidates = candidates_of(options.argv.front(), path_of(plan.env));
  plan.moves = {{options.stdin_fd, 0}, {options.stdout_fd, 1}, {options.stderr_fd, 2}};
  plan.moves.insert(plan.moves.end(), options.fds.begin(), options.fds.end());
  for (const PassedFd& move : plan.moves) plan.first_free = std::max(plan.first_free, move.to + 1);
  return plan;
}

// With the parent's memory shared there is nothing to copy however large the host is. Not so with a
// new uid: changing it would mark the shared memory, and so the host, as not dumpable.
int clone_flags(const SpawnOptions& options) {
  int flags = CLONE_PIDFD | SIGCHLD;
#ifdef __SANITIZE_THREAD__
  // Its clone() tells the child's side that it was forked; in shared memory the parent would
  // believe that and no longer see who waits for whom.
  static_cast<void>(options);
  return flags;
#else
  return options.identity ? flags : flags | CLONE_VM | CLONE_VFORK;
#endif
}

VIBED_IN_CHILD pid_t clone_child(Plan& plan, int flags, char* stack_top, int* pidfd) {
  return ::clone(child_main, stack_top, flags, &plan, pidfd);
}

Error error_of(const SpawnOptions& options, const Failure& failure) {
  std::string what = name_of(failure.step);
  if (failure.step == Step::exec) what += " " + options.argv.front();
  if (failure.step == Step::directory) what += " " + options.cwd;
  return errno_error(what, failure.number);
}

class Stack {
 public:
  static constexpr std::size_t kSize = 64 * 1024;
  Stack()
      : memory_(::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {}
  ~Stack() {
    if (memory_ != MAP_FAILED) ::munmap(memory_, kSize);
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  bool ok() const { return memory_ != MAP_FAILED; }
  char* top() const { return static_cast<char*>(memory_) + kSize; }

 private:
  void* memory_;
};

}  // namespace

Result<Process> spawn(const SpawnOptions& options) {
  if (options.argv.empty() || options.argv.front().empty())
    return Error{Errc::invalid_argument, "no program to start"};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("make a pipe");
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  Stack stack;
  if (!stack.ok()) return errno_error("make a stack");
  Plan plan = plan_of(options);
  plan.failure_fd = writer.get();

  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  pid_t pid = clone_child(plan, clone_flags(options), stack.top(), &pidfd);
  int clone_errno = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return errno_error("start a process", clone_errno);

  Process process(Fd(pidfd), pid);
  writer.reset();
  Failure failure;
  ssize_t count = 0;
  do {
    count = ::read(reader.get(), &failure, sizeof failure);
  } while (count < 0 && errno == EINTR);
  if (count == static_cast<ssize_t>(sizeof failure)) {
    (void)process.reap();
    return error_of(options, failure);
  }
  return process;
}

}  // namespace vibed
