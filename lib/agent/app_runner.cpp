#include "agent/app_runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.hpp"
#include "process/seccomp.hpp"

namespace vibed::agent {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kStopGrace{5};
constexpr int kReapsPerTurn = 256;
constexpr std::size_t kOutputPerTurn = 64 * 1024;
constexpr std::size_t kOutputAtEnd = 1024 * 1024;
constexpr int kTailOfFailure = 20;
constexpr std::array kPassedOn = {SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

struct PipePair {
  Fd reader;
  Fd writer;
};

PipePair output_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {Fd(ends[0]), Fd(ends[1])};
}

timespec to_timespec(std::chrono::nanoseconds duration) {
  auto whole = std::chrono::duration_cast<seconds>(duration);
  return {whole.count(), (duration - whole).count()};
}

std::set<Listener> listeners_now() {
  std::vector<Listener> all = read_listeners();
  return {all.begin(), all.end()};
}

// Whether a signal came from outside of the sandbox. An app could otherwise end its own init, and
// with a forged sender (sigqueue) even look like the outside.
bool from_outside(const signalfd_siginfo& info) {
  return info.ssi_pid == 0 && (info.ssi_code == SI_USER || info.ssi_code == SI_KERNEL);
}

}  // namespace

AppRunner::AppRunner(const AgentConfig& config, Board& board, LogRing& ring)
    : config_(config), board_(board), ring_(ring), init_(::getpid() == 1) {}

Status AppRunner::open() {
  ::getrlimit(RLIMIT_NOFILE, &files_);
  rlimit raised{files_.rlim_max, files_.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &raised);
  oom_score_ = Fd(::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC));
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (int number : {SIGCHLD, SIGTERM, SIGINT, SIGPIPE}) ::sigaddset(&wanted, number);
  for (int number : kPassedOn) ::sigaddset(&wanted, number);
  ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  signals_ = Fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!signals_ || !wake_) return errno_error("make the agent's descriptors");
  return success();
}

void AppRunner::poke() const {
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t ignored = ::write(wake_.get(), &one, sizeof one);
}

void AppRunner::start(AppPlan plan) {
  std::lock_guard lock(mutex_);
  commands_.start = std::move(plan);
  poke();
}

void AppRunner::fail(std::int64_t generation, const std::string& reason,
                     const std::string& message) {
  std::lock_guard lock(mutex_);
  AgentState state;
  state.generation = generation;
  state.reason = reason;
  state.message = message;
  commands_.fail = std::move(state);
  poke();
}

void AppRunner::stop() {
  std::unique_lock lock(mutex_);
  int mine = ++stops_asked_;
  ++commands_.stops;
  poke();
  stopped_.wait(lock, [&] { return over_ || stops_done_ >= mine; });
}

void AppRunner::check_listeners() {
  std::lock_guard lock(mutex_);
  commands_.check = true;
  poke();
}

void AppRunner::run() {
  park();
  while (!quitting_ || app_) turn();
  {
    std::lock_guard lock(mutex_);
    over_ = true;
  }
  finish_stops();
}

void AppRunner::turn() {
  std::array<pollfd, 6> polled{{{signals_.get(), POLLIN, 0},
                                {wake_.get(), POLLIN, 0},
                                {app_ ? app_->fd() : -1, POLLIN, 0},
                                {output_.get(), POLLIN, 0},
                                {errors_.get(), POLLIN, 0},
                                {listener_notices_.get(), POLLIN, 0}}};
  timespec wait{};
  auto due = next_due();
  if (due) wait = to_timespec(std::max(Clock::duration(0), *due - Clock::now()));
  ::ppoll(polled.data(), polled.size(), due ? &wait : nullptr, nullptr);
  auto now = Clock::now();
  if (polled[1].revents != 0) take_commands();
  if (polled[0].revents != 0) read_signals();
  if (polled[3].revents != 0) read_output(output_, LogSource::out, kOutputPerTurn);
  if (polled[4].revents != 0) read_output(errors_, LogSource::err, kOutputPerTurn);
  if (polled[5].revents != 0) {
    if ((polled[5].revents & POLLIN) == 0) listener_notices_.reset();
    if (listener_notices_ && continue_notified(listener_notices_.get()) > 0) {
      // The call itself is still to come: look until it shows, a few times a millisecond.
      quick_until_ = now + milliseconds(50);
      look_due_ = now;
    }
  }
  if (polled[2].revents != 0 && app_) app_ended(now);  // unless reaping came across it
  if (look_due_ && *look_due_ <= now) look(now);
  if (kill_due_ && *kill_due_ <= now) {
    if (app_) (void)app_->signal_group(SIGKILL);
    kill_due_.reset();
  }
  if (supervisor_.due() && *supervisor_.due() <= now) spawn_app(now);
}

std::optional<AppRunner::Clock::time_point> AppRunner::next_due() const {
  std::optional<Clock::time_point> first;
  for (const auto& due : {supervisor_.due(), look_due_, kill_due_}) {
    if (due && (!first || *due < *first)) first = due;
  }
  return first;
}

void AppRunner::take_commands() {
  std::uint64_t ignored = 0;
  [[maybe_unused]] ssize_t count = ::read(wake_.get(), &ignored, sizeof ignored);
  Commands commands;
  {
    std::lock_guard lock(mutex_);
    std::swap(commands, commands_);
  }
  auto now = Clock::now();
  if (commands.stops > 0) begin_stop(now);
  if (commands.fail) {
    end_parked();
    plan_ = AppPlan{};
    plan_.generation = commands.fail->generation;
    supervisor_.fail(commands.fail->reason, commands.fail->message);
    remark(commands.fail->message);
    publish();
  }
  if (commands.start && !quitting_) {
    plan_ = *std::move(commands.start);
    listener_.reset();
    if (!parked_) not_its_ = listeners_now();
    supervisor_.start(now, plan_.restarts);
    remark(fmt::format("starting {}{}", fmt::join(plan_.argv, " "),
                       plan_.reason.empty() ? "" : " (" + plan_.reason + ")"));
  }
  if (commands.check && app_) look_due_ = now;
}

void AppRunner::begin_stop(Clock::time_point now) {
  supervisor_.stop();
  tell_relay();
  if (!app_ || (parked_ && !quitting_)) {
    publish();
    return finish_stops();
  }
  (void)app_->signal_group(SIGTERM);
  kill_due_ = now + kStopGrace;
}

void AppRunner::finish_stops() {
  std::lock_guard lock(mutex_);
  stops_done_ = stops_asked_;
  stopped_.notify_all();
}

void AppRunner::read_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    auto number = static_cast<int>(info.ssi_signo);
    if (number == SIGCHLD || number == SIGPIPE) continue;
    if (init_ && !from_outside(info)) continue;
    if (number == SIGTERM || number == SIGINT) {
      quitting_ = true;
      begin_stop(Clock::now());
    } else if (app_) {
      (void)app_->signal_group(number);
    }
  }
  reap_orphans();
}

// Reaps whatever ended but the app, whose end app_ended() sees by its own descriptor.
void AppRunner::reap_orphans() {
  std::unique_lock lock(reaper_, std::try_to_lock);
  if (!lock) return;
  for (int i = 0; i < kReapsPerTurn; ++i) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (app_ && info.si_pid == app_->pid()) return app_ended(Clock::now());
    ::waitpid(info.si_pid, nullptr, WNOHANG);
  }
  ::raise(SIGCHLD);  // there may be more: others have a turn first
}

void AppRunner::park() {
  if (config_.parked.empty()) return;
  not_its_ = listeners_now();
  AppPlan plan;
  plan.argv = config_.parked;
  plan.env = app_environment(config_, {}, {}, config_.app_port);
  Status spawned = spawn_process(plan);
  parked_ = static_cast<bool>(spawned);
  if (!spawned) log::warn("park", {{"error", spawned.error().message}});
}

// Takes the parked program for the app, if it is the same.
bool AppRunner::adopt_parked(Clock::time_point now) {
  if (!parked_) return false;
  if (plan_.argv != config_.parked || plan_.port != config_.app_port) {
    end_parked();
    return false;
  }
  parked_ = false;
  started(now);
  look(now);  // it may have been listening for long
  return true;
}

void AppRunner::end_parked() {
  if (!std::exchange(parked_, false)) return;
  (void)app_->signal_group(SIGKILL);
  (void)app_->reap();
  app_.reset();
  end_the_rest();
  forget_app();
}

void AppRunner::spawn_app(Clock::time_point now) {
  if (adopt_parked(now)) return;
  Status spawned = spawn_process(plan_);
  if (!spawned) {
    remark(spawned.error().message);
    supervisor_.spawn_failed(spawned.error().message, now);
    tell_relay();
    return publish();
  }
  started(now);
}

Status AppRunner::spawn_process(const AppPlan& plan) {
  Fd notify;
  auto process = spawn_plan(plan, notify);
  if (!process) return std::move(process).error();
  app_ = *std::move(process);
  listener_notices_ = receive_listener(notify.get());
  return success();
}

Result<Process> AppRunner::spawn_plan(const AppPlan& plan, Fd& notify) {
  PipePair out = output_pipe();
  PipePair err = output_pipe();
  int sockets[2];
  if (!out.reader || !err.reader ||
      ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    return errno_error("make the app's descriptors");
  notify = Fd(sockets[0]);
  Fd theirs(sockets[1]);

  SpawnOptions options;
  options.argv = plan.argv;
  options.env.emplace();
  for (const auto& [name, value] : plan.env) options.env->push_back(name + "=" + value);
  options.cwd = config_.workdir;
  options.stdout_fd = out.writer.get();
  options.stderr_fd = err.writer.get();
  options.new_session = true;
  options.umask = 022;
  options.limits = app_limits();
  options.notify_filter = app_filter();
  options.notify_socket = theirs.get();
  output_ = std::move(out.reader);
  errors_ = std::move(err.reader);

  // When memory is short the app goes, not its init: it is born with a higher score, and the agent
  // takes its own back. Nobody may lower a score, but going back to where one was is allowed.
  std::array<char, 16> before{};
  ssize_t length = oom_score_ ? ::pread(oom_score_.get(), before.data(), before.size(), 0) : 0;
  if (length > 0) [[maybe_unused]]
    ssize_t ignored = ::pwrite(oom_score_.get(), "900", 3, 0);
  auto process = spawn(options);
  if (length > 0) [[maybe_unused]]
    ssize_t ignored =
        ::pwrite(oom_score_.get(), before.data(), static_cast<std::size_t>(length), 0);
  return process;
}

std::vector<ResourceLimit> AppRunner::app_limits() const {
  std::vector<ResourceLimit> limits = {{RLIMIT_CORE, 0, 0},
                                       {RLIMIT_NOFILE, files_.rlim_cur, files_.rlim_max}};
  auto both = [](int resource, std::int64_t value) {
    return ResourceLimit{resource, static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
  };
  if (config_.limit_processes > 0) limits.push_back(both(RLIMIT_NPROC, config_.limit_processes));
  if (config_.limit_data > 0) limits.push_back(both(RLIMIT_DATA, config_.limit_data));
  return limits;
}

void AppRunner::started(Clock::time_point now) {
  supervisor_.spawned(now);
  last_pid_ = app_->pid();
  spawned_at_ = now;
  listener_.reset();
  plan_looks(now);
  tell_relay();
  publish();
}

void AppRunner::read_output(Fd& pipe, LogSource source, std::size_t most) {
  std::array<char, 16 * 1024> buffer;
  for (std::size_t done = 0; pipe && done < most;) {
    ssize_t count = ::read(pipe.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return pipe.reset();
    auto size = static_cast<std::size_t>(count);
    ring_.append(source, {buffer.data(), size}, std::chrono::system_clock::now());
    done += size;
  }
}

void AppRunner::app_ended(Clock::time_point now) {
  (void)app_->signal_group(SIGKILL);
  auto status = app_->reap();
  app_.reset();
  bool was_parked = std::exchange(parked_, false);
  end_the_rest();
  forget_app();
  if (was_parked) return finish_stops();
  bool wanted = supervisor_.state() != AppState::idle;
  ExitStatus ended = status ? *status : ExitStatus{-1, SIGKILL};
  supervisor_.exited(ended, now);
  if (wanted && supervisor_.due()) {
    auto delay = std::chrono::ceil<milliseconds>(*supervisor_.due() - now);
    remark(fmt::format("the app {}; starting it again in {} ms", describe(ended), delay.count()));
  } else if (wanted) {
    remark(supervisor_.message());
  }
  tell_relay();
  publish();
  if (!wanted) finish_stops();
}

// Nothing runs any more: what it wrote at last, and what was kept of it.
void AppRunner::forget_app() {
  read_output(output_, LogSource::out, kOutputAtEnd);
  read_output(errors_, LogSource::err, kOutputAtEnd);
  ring_.flush(std::chrono::system_clock::now());
  output_.reset();
  errors_.reset();
  listener_notices_.reset();
  listener_.reset();
  look_due_.reset();
  kill_due_.reset();
}

// What left the app's group or session ends with it, so that the next one finds its port free.
void AppRunner::end_the_rest() {
  if (!init_) return;
  ::kill(-1, SIGKILL);
  std::unique_lock lock(reaper_, std::try_to_lock);
  if (!lock) return;
  auto deadline = Clock::now() + seconds(1);
  while (Clock::now() < deadline) {
    pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid < 0 && errno == ECHILD) return;
    if (pid > 0) continue;
    ::kill(-1, SIGKILL);  // one that was just being born
    pollfd news{signals_.get(), POLLIN, 0};
    ::poll(&news, 1, 5);
    signalfd_siginfo info{};
    if (news.revents != 0 && ::read(signals_.get(), &info, sizeof info) > 0 &&
        (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) && from_outside(info)) {
      quitting_ = true;
      supervisor_.stop();
    }
  }
}

// When to look without having been told. With notices that is only for safety: no event is lost
// for ever. Without, every 2 ms for 10 s, then slower.
void AppRunner::plan_looks(Clock::time_point now) {
  bool told = static_cast<bool>(listener_notices_);
  if (now < quick_until_) {
    look_due_ = now + microseconds(200);
  } else if (listener_) {
    look_due_.reset();
    if (!told) look_due_ = now + seconds(5);
  } else if (now - spawned_at_ < seconds(10)) {
    look_due_ = now + (told ? milliseconds(1000) : milliseconds(2));
  } else {
    look_due_ = now + (told ? milliseconds(5000) : milliseconds(250));
  }
}

void AppRunner::look(Clock::time_point now) {
  look_due_.reset();
  if (!app_ || parked_) return;
  std::vector<Listener> all = read_listeners();
  auto found = choose_listener(all, plan_.port, not_its_);
  // The one that was found stays until the right one comes, or until it is gone and there is
  // another.
  bool still = listener_ && std::find(all.begin(), all.end(), *listener_) != all.end();
  bool keep = still && (listener_->port == plan_.port || found->port != plan_.port);
  if (found && !keep && listener_ != found) {
    quick_until_ = now;
    now_listening(*found);
  }
  plan_looks(now);
}

void AppRunner::now_listening(const Listener& listener) {
  listener_ = listener;
  supervisor_.listening();
  bool six = listener.address.find(':') != std::string::npos;
  remark(fmt::format("the app listens on {}{}{}:{}", six ? "[" : "", listener.address,
                     six ? "]" : "", listener.port));
  tell_relay();
  publish();
}

void AppRunner::tell_relay() {
  if (relay_ == nullptr) return;
  RelayTarget target;
  if (listener_ && supervisor_.state() == AppState::listening) {
    auto found = relay_target(listener_->dial_address(), listener_->port);
    if (found) target = *std::move(found);
  }
  bool again = supervisor_.state() == AppState::restarting ||
               supervisor_.state() == AppState::listening;  // refused while it should listen
  target.reason = again ? "restarting" : to_string(supervisor_.state());
  if (again)
    target.message = "the app is being restarted; try again in a moment";
  else if (supervisor_.state() == AppState::failed)
    target.message = "the app has stopped";
  else
    target.message = "the app is not listening yet; try again in a moment";
  relay_->set_target(target);
}

void AppRunner::publish() {
  AgentState state;
  state.state = supervisor_.state();
  state.generation = plan_.generation;
  state.running = app_.has_value() && !parked_;
  state.pid = last_pid_;
  if (listener_) {
    state.port = listener_->port;
    state.address = listener_->address;
  }
  state.told_port = plan_.port;
  state.command = plan_.argv;
  state.plan_reason = plan_.reason;
  state.exit_status = supervisor_.exit_status();
  state.restarts = supervisor_.restarts();
  state.reason = supervisor_.reason();
  state.message = supervisor_.message();
  if (state.state == AppState::failed) {
    for (RingLine& line : ring_.tail(0)) {
      if (line.source != LogSource::vibed) state.log.push_back(std::move(line.text));
    }
    if (state.log.size() > kTailOfFailure)
      state.log.erase(state.log.begin(), state.log.end() - kTailOfFailure);
  }
  board_.publish(std::move(state));
}

void AppRunner::remark(const std::string& text) {
  ring_.remark(text, std::chrono::system_clock::now());
}

}  // namespace vibed::agent
