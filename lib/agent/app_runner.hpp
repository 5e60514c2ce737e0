// AppRunner does what the Supervisor decides: starts the app, reads its output, sees it listen,
// reaps. As PID 1 it is also the init of the sandbox.
//
// A *parked* command is started before there is an app, and taken for the app when the plan's
// command is the same: what takes an interpreter or a server its start-up time is then already
// done. It is for programs that read neither their environment nor their workdir when they start,
// so that nobody can tell.
#pragma once

#include <sys/resource.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/agent_config.hpp"
#include "agent/board.hpp"
#include "agent/listeners.hpp"
#include "agent/log_ring.hpp"
#include "agent/supervisor.hpp"
#include "base/fd.hpp"
#include "process/relay.hpp"
#include "process/spawn.hpp"

namespace vibed::agent {

struct AppPlan {
  std::vector<std::string> argv;
  Environment env;
  std::string reason;  // of the command
  std::int64_t generation = 0;
  int port = 8080;       // where it is told to listen
  bool restarts = true;  // not under contract v1
};

// run() is the main thread's; the rest may be called from any thread. Config, board and ring
// outlive it.
class AppRunner {
 public:
  AppRunner(const AgentConfig& config, Board& board, LogRing& ring);

  // Blocks the signals run() receives, so it must come before the first thread.
  Status open();

  // Where listening is made known; before run(). May stay unset. Outlives run().
  void use_relay(Relay* relay) { relay_ = relay; }

  // Until SIGTERM or SIGINT from outside. The app has ended then, and all it started.
  void run();

  // Starts the app; what becomes of it shows on the board.
  // REQUIRES: none runs
  void start(AppPlan plan);

  // There is nothing to start: the injection failed. Shows on the board.
  void fail(std::int64_t generation, const std::string& reason, const std::string& message);

  // Ends the app (SIGTERM, 5 s, SIGKILL), with `mark_idle` for good. Returns when it has ended.
  void stop();

  // The app may have begun to listen, or no longer does.
  void check_listeners();

  // While the lock is held no child is reaped but the app, so that a program may be waited for by
  // whoever started it.
  std::unique_lock<std::mutex> hold_reaper() { return std::unique_lock(reaper_); }

 private:
  using Clock = std::chrono::steady_clock;

  struct Commands {
    std::optional<AppPlan> start;
    std::optional<AgentState> fail;
    int stops = 0;
    bool check = false;
  };

  void poke() const;
  void turn();
  std::optional<Clock::time_point> next_due() const;
  void take_commands();
  void begin_stop(Clock::time_point now);
  void finish_stops();
  void read_signals();
  void reap_orphans();
  void park();
  bool adopt_parked(Clock::time_point now);
  void end_parked();
  void spawn_app(Clock::time_point now);
  Status spawn_process(const AppPlan& plan);
  Result<Process> spawn_plan(const AppPlan& plan, Fd& notify);
  std::vector<ResourceLimit> app_limits() const;
  void started(Clock::time_point now);
  void read_output(Fd& pipe, LogSource source, std::size_t most);
  void app_ended(Clock::time_point now);
  void forget_app();
  void end_the_rest();
  void plan_looks(Clock::time_point now);
  void look(Clock::time_point now);
  void now_listening(const Listener& listener);
  void tell_relay();
  void publish();
  void remark(const std::string& text);

  const AgentConfig& config_;
  Board& board_;
  LogRing& ring_;
  Relay* relay_ = nullptr;
  const bool init_;  // PID 1
  rlimit files_{};   // the app's own; the agent raises its

  Fd signals_;
  Fd wake_;
  Fd oom_score_;  // of this process, opened before it became undumpable

  Supervisor supervisor_;
  AppPlan plan_;
  std::optional<Process> app_;
  bool parked_ = false;  // what runs is no app yet
  int last_pid_ = 0;
  Fd output_;
  Fd errors_;
  Fd listener_notices_;
  std::set<Listener> not_its_;  // listened on before the app was ever started
  std::optional<Listener> listener_;
  std::optional<Clock::time_point> look_due_;
  Clock::time_point quick_until_{};  // look again at once until then
  Clock::time_point spawned_at_{};
  std::optional<Clock::time_point> kill_due_;
  bool quitting_ = false;

  std::mutex reaper_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  Commands commands_;    // guarded by mutex_
  int stops_done_ = 0;   // guarded by mutex_
  int stops_asked_ = 0;  // guarded by mutex_
  bool over_ = false;    // guarded by mutex_: run() has returned
};

}  // namespace vibed::agent
