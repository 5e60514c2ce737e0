// What becomes of sandboxes of the local pool: what their agents tell, injections, ends.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.hpp"
#include "sandbox/local_sandbox_pool.hpp"

namespace vibed::sandbox {
namespace {

using namespace std::chrono_literals;

constexpr auto kDrainCall = 3s;
constexpr auto kDrainLook = 100ms;
constexpr std::int64_t kMaxAgentLog = 256 * 1024;

}  // namespace

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
  if (slot.sandbox.phase == SandboxPhase::failed || slot.sandbox.phase == SandboxPhase::gone)
    return;
  apply_agent_event(slot.sandbox, event);
  notifier_.changed(slot.sandbox.app);
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

bool LocalSandboxPool::begin_stop() {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return false;
    stopping_ = stopped_ = true;
  }
  go_builder_ = {};
  boot_crew_.stop(false);
  loop_->stop();
  return true;
}

void LocalSandboxPool::stop(bool keep_apps) {
  if (!begin_stop()) return;
  std::vector<std::shared_ptr<Guest>> ending;
  {
    std::lock_guard lock(mutex_);
    for (auto& [id, guest] : guests_) {
      Slot* slot = ledger_.find(id);
      const Record& record = guest->running().record;
      bool whole = record.injected != Injected::begun ||
                   (slot != nullptr && slot->sandbox.phase == SandboxPhase::listening);
      bool keep = keep_apps && slot != nullptr && slot->claimed() && whole;
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
  if (begin_stop()) crew_.stop(false);
}

}  // namespace vibed::sandbox
