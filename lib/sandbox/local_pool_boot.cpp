// How sandboxes of the local pool come to be: boots, refills, Go's library, adoption.
#include <signal.h>

#include <filesystem>

#include "base/files.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "sandbox/go_cache.hpp"
#include "sandbox/local_sandbox_pool.hpp"

namespace vibed::sandbox {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr auto kBootTimeout = 45s;
constexpr auto kAdoptTimeout = 5s;
// How long compiling Go's standard library waits for somebody to want it: a vibed that lives for a
// moment need not pay for it.
constexpr auto kGoPatience = 15s;

}  // namespace

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
  {
    std::lock_guard lock(mutex_);
    Slot* slot = ledger_.find(id);
    wanted = slot != nullptr && !stopping_;
    if (wanted)
      guests_[id] = guest;
    else
      retired_[id] = guest;
  }
  if (!wanted) {
    finish(guest);  // released, or the pool stops
    return;
  }
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
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, kGoPatience, [&] { return go_wanted_; });
  }
  std::string wrong;
  for (const Runtime& go : missing) {
    if (stop.stop_requested()) return;
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

}  // namespace vibed::sandbox
