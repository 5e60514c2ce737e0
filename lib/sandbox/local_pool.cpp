#include "sandbox/local_pool.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "process/seccomp.hpp"
#include "sandbox/agent_client.hpp"
#include "sandbox/event_loop.hpp"
#include "sandbox/go_cache.hpp"
#include "sandbox/guest.hpp"
#include "sandbox/launcher.hpp"
#include "sandbox/ledger.hpp"
#include "sandbox/notifier.hpp"
#include "sandbox/upstreams.hpp"
#include "sandbox/work_crew.hpp"

namespace vibed::sandbox {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kBootTimeout = 20s;
constexpr auto kAdoptTimeout = 5s;
constexpr auto kDrainCall = 3s;
constexpr auto kDrainLook = 100ms;
constexpr std::size_t kBootThreads = 2;
constexpr std::size_t kWorkThreads = 16;
constexpr std::int64_t kMaxAgentLog = 256 * 1024;
// What an unclaimed sandbox costs, generously: agent, bubblewrap, page tables, mounts.
constexpr std::int64_t kWarmBytes = 16LL * 1024 * 1024;
constexpr std::size_t kMaxSandboxes = 1000;
constexpr std::size_t kFdsEach = 3;
constexpr std::size_t kFdsOfOthers = 200;

// The lines a sandbox left when it ended.
class LeftLines final : public LogStream {
 public:
  explicit LeftLines(std::vector<std::string> lines) : lines_(std::move(lines)) {}

  Result<std::optional<LogLine>> next(std::stop_token, SteadyClock::time_point) override {
    if (next_ == lines_.size()) return std::optional<LogLine>();
    return std::optional<LogLine>(LogLine{{}, "vibed", lines_[next_++]});
  }

 private:
  std::vector<std::string> lines_;
  std::size_t next_ = 0;
};

std::int64_t machine_memory() {
  return static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
}

LedgerLimits ledger_limits(const Config::Pool& pool) {
  std::int64_t memory = pool.memory > 0 ? pool.memory : machine_memory() / 10;
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  LedgerLimits limits;
  limits.warm = static_cast<std::size_t>(std::max<std::int64_t>(memory / kWarmBytes, 1));
  std::size_t room = files.rlim_cur > kFdsOfOthers ? (files.rlim_cur - kFdsOfOthers) / kFdsEach : 1;
  limits.total = std::min(kMaxSandboxes, room);
  return limits;
}

std::vector<Template> wanted_templates(const LocalPoolOptions& options) {
  std::vector<Template> result;
  for (Template each : options.templates) {
    const auto& off = options.pool.disabled;
    if (std::find(off.begin(), off.end(), each.name) != off.end()) continue;
    auto size = options.pool.sizes.find(each.name);
    if (size != options.pool.sizes.end())
      each.size = size->second;
    else if (each.size == Template().size)  // the template itself does not say
      each.size = options.pool.size;
    result.push_back(std::move(each));
  }
  return result;
}

class LocalSandboxPool final : public LocalPool {
 public:
  LocalSandboxPool(LocalPoolOptions options, LauncherOptions launcher,
                   std::unique_ptr<EventLoop> loop)
      : options_(std::move(options)),
        ledger_(wanted_templates(options_), ledger_limits(options_.pool)),
        upstreams_(options_.run_directory),
        launcher_(std::move(launcher)),
        client_(fetch::make_client()),
        loop_(std::move(loop)),
        boot_crew_(kBootThreads, [this] { launcher_.enter_thread(); }),
        crew_(kWorkThreads) {}

  ~LocalSandboxPool() override { stop(false); }

  Status open() {
    if (auto read = upstreams_.open(); !read) return read;
    adopt_all();
    hold_back_go();
    schedule_refill();
    return success();
  }

  Result<Sandbox> claim(const SandboxRequest& request) override {
    std::unique_lock lock(mutex_);
    if (stopping_) return make_error("stopping", "the pool is stopping");
    auto claimed = ledger_.claim(request, random_hex(6), SteadyClock::now());
    if (!claimed) return std::move(claimed).error();
    Sandbox sandbox = claimed->sandbox;
    if (!claimed->fresh) return sandbox;
    Slot* slot = ledger_.find(sandbox.id);
    slot->sandbox.upstream = "unix/" + upstreams_.path(request.label);
    sandbox = slot->sandbox;
    if (claimed->boot) boot_crew_.add_first([this, id = sandbox.id] { boot(id); });
    auto guest = guest_of(sandbox.id);
    lock.unlock();
    if (guest) remember(*guest);
    schedule_refill();
    return sandbox;
  }

  Status inject(const std::string& id, const Injection& injection) override {
    std::lock_guard lock(mutex_);
    if (stopping_) return make_error("stopping", "the pool is stopping");
    Slot* slot = ledger_.find(id);
    if (slot == nullptr || !slot->claimed()) return Error{Errc::not_found, "no sandbox " + id};
    if (slot->injected) return success();
    auto guest = guest_of(id);
    if (slot->sandbox.phase != SandboxPhase::bound || !guest)
      return Error{Errc::conflict, "sandbox " + id + " is not bound"};
    slot->injected = true;
    set_starting(slot->sandbox);
    guest->running().record.injected_at = slot->sandbox.injected_at;
    notifier_.changed(slot->sandbox.app);
    crew_.add_first([this, guest, injection, generation = slot->sandbox.generation] {
      bring_in(guest, injection, generation);
    });
    return success();
  }

  Status expose(const std::string& label, const std::string& id) override {
    std::shared_ptr<Guest> old;
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return make_error("stopping", "the pool is stopping");
      Slot* slot = ledger_.find(id);
      if (slot == nullptr || !slot->claimed()) return Error{Errc::not_found, "no sandbox " + id};
      if (slot->sandbox.phase != SandboxPhase::listening)
        return Error{Errc::conflict, "sandbox " + id + " does not listen"};
      std::string before = upstreams_.current(label);
      if (before != id) {
        if (auto moved = upstreams_.move(label, id); !moved) return moved;
        old = guest_of(before);
        if (Slot* left = ledger_.find(before)) left->sandbox.exposed = false;
      }
      slot->sandbox.exposed = true;
      notifier_.changed(slot->sandbox.app);
    }
    if (old) shut_relay(*old);
    return success();
  }

  Status release(const std::string& id) override {
    std::lock_guard lock(mutex_);
    if (stopping_) return make_error("stopping", "the pool is stopping");
    Slot* slot = ledger_.find(id);
    if (slot == nullptr || !slot->claimed()) return success();
    upstreams_.remove(slot->label, id);
    // Only an app that listened has connections that are worth waiting for.
    bool drain = slot->sandbox.port != 0;
    notifier_.changed(slot->sandbox.app);
    ledger_.forget(id);
    retire(id, drain);
    return success();
  }

  std::vector<Sandbox> observe(const std::string& app_uid) override {
    return select([&](const Sandbox& sandbox) { return sandbox.app_uid == app_uid; });
  }

  std::vector<Sandbox> observe_all() override {
    return select([](const Sandbox&) { return true; });
  }

  Result<std::unique_ptr<LogStream>> logs(const std::string& id,
                                          const LogRequest& request) override {
    std::lock_guard lock(mutex_);
    Slot* slot = ledger_.find(id);
    if (slot == nullptr || !slot->claimed()) return Error{Errc::not_found, "no sandbox " + id};
    auto guest = guest_of(id);
    if (!guest) {
      return std::unique_ptr<LogStream>(std::make_unique<LeftLines>(slot->sandbox.log_tail));
    }
    return agent_logs(*client_, guest->address(), request);
  }

  std::vector<TemplateStatus> templates() override {
    std::lock_guard lock(mutex_);
    return ledger_.templates();
  }

  void subscribe(std::function<void(const std::string& app)> on_change) override {
    notifier_.subscribe(std::move(on_change));
  }

  void stop(bool keep_apps) override;
  void abandon() override;

 private:
  // local_pool.cpp: with mutex_ held.
  std::shared_ptr<Guest> guest_of(const std::string& id) {
    auto at = guests_.find(id);
    return at == guests_.end() ? nullptr : at->second;
  }
  static void set_starting(Sandbox& sandbox) {
    sandbox.phase = SandboxPhase::starting;
    sandbox.injected_at = std::chrono::system_clock::now();
  }
  void retire(const std::string& id, bool drain);
  void apply(Slot& slot, const AgentEvent& event);
  void queue_boot(const std::string& id, bool waited_for);

  // Without it.
  template <class Predicate>
  std::vector<Sandbox> select(Predicate wanted) {
    std::lock_guard lock(mutex_);
    std::vector<Sandbox> result;
    for (const auto& [id, slot] : ledger_.slots())
      if (slot.claimed() && wanted(slot.sandbox)) result.push_back(slot.sandbox);
    std::stable_sort(result.begin(), result.end(), [](const Sandbox& a, const Sandbox& b) {
      return a.generation < b.generation;
    });
    return result;
  }
  void boot(const std::string& id);
  void boot_failed(const std::string& id, const std::string& why);
  void take_in(const std::string& id, Running running);
  void attach(const std::shared_ptr<Guest>& guest);
  void on_event(const std::string& id, const AgentEvent& event);
  void on_gone(const std::string& id);
  void remember(Guest& guest);
  void bring_in(const std::shared_ptr<Guest>& guest, const Injection& injection,
                std::int64_t generation);
  void injection_failed(const std::string& id, const std::string& why);
  void shut_relay(Guest& old);
  void drain(const std::shared_ptr<Guest>& guest, SteadyClock::time_point deadline);
  void finish(const std::shared_ptr<Guest>& guest);
  void schedule_refill();
  void refill();
  void adopt_all();
  bool adopt(const std::string& id);
  void settle_adopted(const std::string& id, const AgentEvent& event);
  void hold_back_go();
  void compile_go(const std::vector<Runtime>& missing, const std::stop_token& stop);
  std::string go_cache_of(const Template& from) const;

  LocalPoolOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;                        // adoption and stop wait for it
  Ledger ledger_;                                          // guarded by mutex_
  Upstreams upstreams_;                                    // guarded by mutex_
  std::map<std::string, std::shared_ptr<Guest>> guests_;   // guarded by mutex_
  std::map<std::string, std::shared_ptr<Guest>> retired_;  // guarded by mutex_: on their way out
  std::set<std::string> adopting_;                         // guarded by mutex_
  std::optional<SteadyClock::time_point> refill_at_;       // guarded by mutex_
  bool stopping_ = false;                                  // guarded by mutex_
  bool stopped_ = false;                                   // guarded by mutex_
  Launcher launcher_;
  std::unique_ptr<fetch::Client> client_;
  Notifier notifier_;
  std::unique_ptr<EventLoop> loop_;
  WorkCrew boot_crew_;
  WorkCrew crew_;
  std::jthread go_builder_;
};

// ---- booting

void LocalSandboxPool::queue_boot(const std::string& id, bool waited_for) {
  auto work = [this, id] { boot(id); };
  waited_for ? boot_crew_.add_first(work) : boot_crew_.add(work);
}

std::string LocalSandboxPool::go_cache_of(const Template& from) const {
  const Runtime* go = go_runtime(from);
  bool ready = go != nullptr && !options_.cache_directory.empty() &&
               go_cache_ready(options_.cache_directory, *go);
  return ready ? go_cache_name(*go) : "";
}

void LocalSandboxPool::boot(const std::string& id) {
  Template from;
  {
    std::lock_guard lock(mutex_);
    Slot* slot = ledger_.find(id);
    if (stopping_ || slot == nullptr) return;
    from = *ledger_.find_template(slot->sandbox.template_name);
  }
  auto running = launcher_.boot(id, from, go_cache_of(from));
  if (!running) {
    boot_failed(id, running.error().message);
    return;
  }
  take_in(id, std::move(*running));
}

void LocalSandboxPool::take_in(const std::string& id, Running running) {
  AgentAddress address{control_socket(options_.run_directory, id), running.record.token};
  auto guest = std::make_shared<Guest>(*loop_, address, std::move(running));
  bool wanted = false;
  bool claimed = false;
  {
    std::lock_guard lock(mutex_);
    Slot* slot = ledger_.find(id);
    wanted = slot != nullptr && !stopping_;
    claimed = wanted && slot->claimed();
    if (wanted)
      guests_[id] = guest;
    else
      retired_[id] = guest;
  }
  if (!wanted) {
    finish(guest);  // released, or the pool stops
    return;
  }
  if (claimed) remember(*guest);
  loop_->post([this, guest] { attach(guest); });
  std::weak_ptr<Guest> waiting = guest;
  loop_->after(kBootTimeout, [this, waiting, id] {
    auto late = waiting.lock();
    std::lock_guard lock(mutex_);
    Slot* slot = ledger_.find(id);
    if (late && slot != nullptr && slot->stage == Slot::Stage::booting)
      (void)late->inner().signal(SIGKILL);
  });
}

void LocalSandboxPool::attach(const std::shared_ptr<Guest>& guest) {
  guest->attach([this, id = guest->id()](const AgentEvent& event) { on_event(id, event); },
                [this, id = guest->id()] { on_gone(id); });
}

void LocalSandboxPool::boot_failed(const std::string& id, const std::string& why) {
  log::warn("a sandbox did not start", {{"sandbox", id}, {"error", why}});
  {
    std::lock_guard lock(mutex_);
    Slot* slot = ledger_.find(id);
    std::string app = slot == nullptr ? "" : slot->sandbox.app;
    if (ledger_.boot_failed(id, why, SteadyClock::now()))
      queue_boot(id, true);
    else if (!app.empty())
      notifier_.changed(app);
  }
  schedule_refill();
}

// ---- what the agents tell

void LocalSandboxPool::on_event(const std::string& id, const AgentEvent& event) {
  std::string log = sandbox_folder(options_.run_directory, id) + "/agent.log";
  struct stat about = {};
  if (::stat(log.c_str(), &about) == 0 && about.st_size > kMaxAgentLog)
    (void)::truncate(log.c_str(), 0);

  std::lock_guard lock(mutex_);
  Slot* slot = ledger_.find(id);
  if (slot == nullptr) return;
  if (adopting_.contains(id)) {
    settle_adopted(id, event);
    return;
  }
  if (slot->stage == Slot::Stage::booting) {
    if (ledger_.booted(id)) notifier_.changed(slot->sandbox.app);
    return;
  }
  if (slot->injected) apply(*slot, event);
}

void LocalSandboxPool::apply(Slot& slot, const AgentEvent& event) {
  Sandbox& sandbox = slot.sandbox;
  if (sandbox.phase == SandboxPhase::failed || sandbox.phase == SandboxPhase::gone) return;
  if (!event.start_command.empty()) sandbox.start_command = event.start_command;
  if (event.state == "listening") {
    sandbox.phase = SandboxPhase::listening;
    sandbox.port = event.port;
  } else if (event.state == "restarting") {
    if (sandbox.phase != SandboxPhase::starting) set_starting(sandbox);
  } else if (event.state == "failed") {
    sandbox.phase = SandboxPhase::failed;
    sandbox.reason = event.reason.empty() ? "StartFailed" : event.reason;
    sandbox.message = event.message;
    sandbox.log_tail = event.log;
  }
  notifier_.changed(sandbox.app);
}

void LocalSandboxPool::on_gone(const std::string& id) {
  std::shared_ptr<Guest> guest;
  bool was_booting = false;
  {
    std::lock_guard lock(mutex_);
    auto at = guests_.find(id);
    if (at == guests_.end()) return;
    guest = at->second;
    guests_.erase(at);
    retired_[id] = guest;
    adopting_.erase(id);
    changed_.notify_all();
    if (Slot* slot = ledger_.find(id)) {
      was_booting = slot->stage == Slot::Stage::booting;
      if (!was_booting && !slot->claimed()) {
        ledger_.forget(id);
      } else if (!was_booting && slot->sandbox.phase != SandboxPhase::failed) {
        slot->sandbox.phase = SandboxPhase::gone;
        slot->sandbox.message = "the sandbox ended";
        notifier_.changed(slot->sandbox.app);
      }
    }
  }
  crew_.add([this, guest, was_booting] {
    std::string printed = agent_log_tail(options_.run_directory, guest->id());
    finish(guest);  // before the next try: it has the same folder
    if (was_booting)
      boot_failed(guest->id(), printed.empty() ? "it ended before it answered" : printed);
    schedule_refill();
  });
}

// ---- claims and injections

void LocalSandboxPool::remember(Guest& guest) {
  std::lock_guard writing(guest.record_mutex());
  Record record;
  {
    std::lock_guard lock(mutex_);
    Slot* slot = ledger_.find(guest.id());
    if (slot == nullptr) return;
    Record& known = guest.running().record;
    known.app = slot->sandbox.app;
    known.app_uid = slot->sandbox.app_uid;
    known.generation = slot->sandbox.generation;
    known.label = slot->label;
    record = known;
  }
  if (auto done = launcher_.remember(record); !done)
    log::warn("state.json not written", {{"error", done.error().message}});
}

void LocalSandboxPool::bring_in(const std::shared_ptr<Guest>& guest, const Injection& injection,
                                std::int64_t generation) {
  auto note = [&](Injected how_far) {
    {
      std::lock_guard lock(mutex_);
      guest->running().record.injected = how_far;
    }
    remember(*guest);
  };
  note(Injected::begun);
  auto source = options_.sources->open(injection.source);
  if (!source) {
    injection_failed(guest->id(), "the source cannot be read: " + source.error().message);
    return;
  }
  auto done = agent_inject(*client_, guest->address(), generation, injection, **source);
  if (done) {
    note(Injected::done);
    return;
  }
  // An agent that died in the middle is a sandbox that is gone, not an app that is wrong.
  if (!guest->inner().wait_exit(kDrainLook)) injection_failed(guest->id(), done.error().message);
}

void LocalSandboxPool::injection_failed(const std::string& id, const std::string& why) {
  std::lock_guard lock(mutex_);
  Slot* slot = ledger_.find(id);
  if (slot == nullptr || slot->sandbox.phase != SandboxPhase::starting) return;
  slot->sandbox.phase = SandboxPhase::failed;
  slot->sandbox.reason = "InjectFailed";
  slot->sandbox.message = why;
  notifier_.changed(slot->sandbox.app);
}

// ---- ends

// Returns when the relay of `old` takes no new connection, whatever that takes: after expose()
// nobody may reach the older generation.
void LocalSandboxPool::shut_relay(Guest& old) {
  auto drained = agent_drain(*client_, old.address(), kDrainCall);
  if (drained || old.inner().wait_exit(0ms)) return;
  log::warn("a relay did not drain, ending its sandbox",
            {{"sandbox", old.id()}, {"error", drained.error().message}});
  (void)old.inner().signal(SIGKILL);
  (void)old.inner().wait_exit(kDrainCall);
}

void LocalSandboxPool::retire(const std::string& id, bool drains) {
  auto at = guests_.find(id);
  if (at == guests_.end()) return;  // still boots: boot() finds its slot gone
  auto guest = at->second;
  guests_.erase(at);
  retired_[id] = guest;
  loop_->post([this, guest, drains] {
    guest->detach();
    auto deadline = SteadyClock::now() + (drains ? options_.drain_time : 0ms);
    crew_.add([this, guest, deadline] { drain(guest, deadline); });
  });
}

void LocalSandboxPool::drain(const std::shared_ptr<Guest>& guest,
                             SteadyClock::time_point deadline) {
  auto left = std::chrono::floor<std::chrono::milliseconds>(deadline - SteadyClock::now());
  if (left > 0ms) {
    auto open = agent_drain(*client_, guest->address(), left);
    if (open && *open > 0) {
      loop_->after(kDrainLook, [this, guest, deadline] {
        crew_.add([this, guest, deadline] { drain(guest, deadline); });
      });
      return;
    }
  }
  finish(guest);
  schedule_refill();
}

void LocalSandboxPool::finish(const std::shared_ptr<Guest>& guest) {
  {
    std::lock_guard lock(mutex_);
    auto at = retired_.find(guest->id());
    if (at == retired_.end() || at->second != guest) return;
    retired_.erase(at);
  }
  launcher_.end(guest->running());
}

void LocalSandboxPool::stop(bool keep_apps) {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopping_ = stopped_ = true;
  }
  go_builder_ = {};
  boot_crew_.stop(false);
  loop_->stop();
  std::vector<std::shared_ptr<Guest>> ending;
  {
    std::lock_guard lock(mutex_);
    for (auto& [id, guest] : guests_) {
      Slot* slot = ledger_.find(id);
      const Record& record = guest->running().record;
      bool keep =
          keep_apps && slot != nullptr && slot->claimed() && record.injected != Injected::begun;
      if (!keep) {
        if (slot != nullptr) upstreams_.remove(slot->label, id);
        ending.push_back(guest);
      }
    }
    for (auto& [id, guest] : retired_) ending.push_back(guest);
    for (auto& guest : ending) retired_[guest->id()] = guest;
  }
  // All at once first; the calls that wait for an agent fail with it.
  for (auto& guest : ending) (void)guest->inner().signal(SIGKILL);
  crew_.stop(false);
  for (auto& guest : ending) finish(guest);
  notifier_.subscribe({});
}

void LocalSandboxPool::abandon() {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopping_ = stopped_ = true;
  }
  go_builder_ = {};
  boot_crew_.stop(false);
  loop_->stop();
  crew_.stop(false);
}

// ---- the warm ones

void LocalSandboxPool::schedule_refill() {
  loop_->post([this] { refill(); });
}

void LocalSandboxPool::refill() {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  auto now = SteadyClock::now();
  auto wanted = ledger_.refill(now);
  for (const std::string& id : wanted.end) {
    ledger_.forget(id);
    retire(id, false);
  }
  for (const std::string& name : wanted.boot) {
    std::string id = random_hex(6);
    ledger_.add_boot(id, name);
    queue_boot(id, false);
  }
  bool asked = refill_at_ && *refill_at_ > now;
  if (!wanted.next || (asked && *refill_at_ <= *wanted.next)) return;
  refill_at_ = wanted.next;
  loop_->after(*wanted.next - now, [this] { refill(); });
}

// ---- Go

void LocalSandboxPool::hold_back_go() {
  std::vector<Runtime> missing;
  std::lock_guard lock(mutex_);
  if (options_.cache_directory.empty()) return;
  for (const Template& each : options_.templates) {
    const Runtime* go = go_runtime(each);
    if (!each.available || go == nullptr || go_cache_ready(options_.cache_directory, *go)) continue;
    missing.push_back(*go);
    // A template that is not all about Go serves meanwhile without.
    if (each.language == "go")
      ledger_.set_bootable(each.name, false,
                           "compiling Go's standard library, once for this machine");
  }
  if (missing.empty()) return;
  go_builder_ =
      std::jthread([this, missing](const std::stop_token& stop) { compile_go(missing, stop); });
}

void LocalSandboxPool::compile_go(const std::vector<Runtime>& missing,
                                  const std::stop_token& stop) {
  std::string wrong;
  for (const Runtime& go : missing) {
    if (go_cache_ready(options_.cache_directory, go)) continue;
    auto built = build_go_cache(options_.cache_directory, go, stop);
    if (!built) wrong = built.error().message;
  }
  if (stop.stop_requested()) return;
  if (!wrong.empty()) log::warn("Go apps will build slowly", {{"error", wrong}});
  {
    std::lock_guard lock(mutex_);
    for (const Template& each : options_.templates) {
      if (go_runtime(each) == nullptr) continue;
      // What is warm was set up without the cache.
      for (const std::string& id : ledger_.unclaimed_of(each.name)) {
        ledger_.forget(id);
        retire(id, false);
      }
      ledger_.set_bootable(each.name, true, wrong);
    }
    for (const auto& [id, slot] : ledger_.slots()) {
      if (slot.boots > 0 || slot.stage != Slot::Stage::booting || adopting_.contains(id)) continue;
      ledger_.find(id)->boots = 1;
      queue_boot(id, true);
    }
  }
  schedule_refill();
}

// ---- what a predecessor left

void LocalSandboxPool::adopt_all() {
  std::error_code error;
  std::set<std::string> ids;
  for (const auto& entry : fs::directory_iterator(options_.run_directory + "/sandboxes", error))
    ids.insert(entry.path().filename().string());
  for (const std::string& id : ids)
    if (!adopt(id)) launcher_.sweep(id);

  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kAdoptTimeout, [&] { return adopting_.empty(); });
  for (const std::string& id : std::exchange(adopting_, {})) {
    log::warn("a sandbox does not answer, ending it", {{"sandbox", id}});
    ledger_.forget(id);
    retire(id, false);
  }
  auto links = upstreams_.all();
  for (const auto& [label, id] : links)
    if (ledger_.find(id) == nullptr) upstreams_.remove(label, id);
}

// Begins to take over sandbox `id`; false: there is nothing to take over.
bool LocalSandboxPool::adopt(const std::string& id) {
  auto text = read_file(sandbox_folder(options_.run_directory, id) + "/state.json", 65536);
  if (!text) return false;
  auto record = record_from_json(*text);
  if (!record || record->id != id) return false;
  auto running = launcher_.find(*record);
  if (!running) return false;
  bool wanted =
      !record->app_uid.empty() && (!options_.known_app || options_.known_app(record->app_uid));
  if (!wanted) {
    launcher_.end(*running);
    return true;
  }
  Slot slot;
  slot.stage = Slot::Stage::ready;
  slot.label = record->label;
  slot.injected = record->injected != Injected::no;
  Sandbox& sandbox = slot.sandbox;
  sandbox.id = id;
  sandbox.app = record->app;
  sandbox.app_uid = record->app_uid;
  sandbox.generation = record->generation;
  sandbox.template_name = record->template_name;
  sandbox.runtime_version = record->runtime_version;
  sandbox.phase = slot.injected ? SandboxPhase::starting : SandboxPhase::bound;
  sandbox.injected_at = record->injected_at;
  AgentAddress address{control_socket(options_.run_directory, id), record->token};
  auto guest = std::make_shared<Guest>(*loop_, address, std::move(*running));
  std::lock_guard lock(mutex_);
  sandbox.upstream = "unix/" + upstreams_.path(record->label);
  sandbox.exposed = upstreams_.current(record->label) == id;
  ledger_.adopt(std::move(slot));
  guests_[id] = guest;
  adopting_.insert(id);
  loop_->post([this, guest] { attach(guest); });
  return true;
}

// With mutex_ held: the first that an adopted sandbox's agent tells.
void LocalSandboxPool::settle_adopted(const std::string& id, const AgentEvent& event) {
  adopting_.erase(id);
  changed_.notify_all();
  Slot* slot = ledger_.find(id);
  auto guest = guest_of(id);
  if (slot == nullptr || !guest) return;
  Injected injected = guest->running().record.injected;
  bool idle = event.state == "idle";
  // An injection that was cut off by our predecessor's end says nothing about the app.
  bool broken = (injected == Injected::begun && (idle || event.state == "failed")) ||
                (injected == Injected::done && idle);
  if (broken) {
    upstreams_.remove(slot->label, id);
    ledger_.forget(id);
    retire(id, false);
    return;
  }
  if (injected == Injected::begun) guest->running().record.injected = Injected::done;
  if (slot->injected) apply(*slot, event);
}

}  // namespace

Result<std::string> find_bubblewrap(const std::string& configured) {
  if (!configured.empty()) {
    if (::access(configured.c_str(), X_OK) == 0) return configured;
    return Error{Errc::not_found, "sandbox.bubblewrap: no program " + configured};
  }
  for (const char* folder : {"/usr/bin", "/usr/local/bin", "/bin"}) {
    std::string path = std::string(folder) + "/bwrap";
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return Error{Errc::not_found, "bubblewrap is not installed (Debian: apt-get install bubblewrap)"};
}

Result<std::unique_ptr<LocalPool>> open_local_sandbox_pool(LocalPoolOptions options) {
  auto bubblewrap = find_bubblewrap(options.sandbox.bubblewrap);
  if (!bubblewrap) return std::move(bubblewrap).error();
  if (control_socket(options.run_directory, "0123456789ab").size() > 107)
    return make_error("path_too_long", options.run_directory + " is too long for unix sockets");
  if (auto made = make_directories(options.run_directory + "/sandboxes", 0700); !made)
    return std::move(made).error();
  if (!options.cache_directory.empty()) {
    if (auto made = make_directories(options.cache_directory); !made)
      return std::move(made).error();
  }
  auto share = make_share({options.run_directory + "/share", options.agent, options.nginx_conf});
  if (!share) return std::move(share).error();
  auto filter = sandbox_filter();
  if (!filter) return std::move(filter).error();
  auto loop = EventLoop::start();
  if (!loop) return std::move(loop).error();
  LauncherOptions launcher;
  launcher.run_directory = options.run_directory;
  launcher.bubblewrap = *bubblewrap;
  launcher.limits = options.sandbox;
  launcher.share = *share;
  launcher.cache_directory = options.cache_directory;
  launcher.seccomp = *filter;
  auto pool =
      std::make_unique<LocalSandboxPool>(std::move(options), std::move(launcher), std::move(*loop));
  if (auto opened = pool->open(); !opened) return std::move(opened).error();
  return std::unique_ptr<LocalPool>(std::move(pool));
}

}  // namespace vibed::sandbox
