// LocalSandboxPool ties the parts of the local pool together: see local_pool.hpp for what it
// promises.
//
// The ledger decides, the launcher makes and ends sandboxes, one loop hears all agents, crews do
// what may block. One mutex guards all state; nothing that waits happens under it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fetch/fetch.hpp"
#include "sandbox/agent_client.hpp"
#include "sandbox/event_loop.hpp"
#include "sandbox/guest.hpp"
#include "sandbox/launcher.hpp"
#include "sandbox/ledger.hpp"
#include "sandbox/local_pool.hpp"
#include "sandbox/notifier.hpp"
#include "sandbox/upstreams.hpp"
#include "sandbox/work_crew.hpp"

namespace vibed::sandbox {

// Templates and limits of the ledger, as the options have them.
std::vector<Template> wanted_templates(const LocalPoolOptions& options);
LedgerLimits ledger_limits(const Config::Pool& pool);

class LocalSandboxPool final : public LocalPool {
 public:
  using SteadyClock = std::chrono::steady_clock;
  static constexpr std::size_t kBootThreads = 2;
  static constexpr std::size_t kWorkThreads = 16;

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

  // Adopts and begins to warm up.
  Status open();

  Result<Sandbox> claim(const SandboxRequest& request) override;
  Status inject(const std::string& id, const Injection& injection) override;
  Status expose(const std::string& label, const std::string& id) override;
  Status release(const std::string& id) override;
  std::vector<Sandbox> observe(const std::string& app_uid) override;
  std::vector<Sandbox> observe_all() override;
  Result<std::unique_ptr<LogStream>> logs(const std::string& id,
                                          const LogRequest& request) override;
  std::vector<TemplateStatus> templates() override;
  void subscribe(std::function<void(const std::string& app)> on_change) override;
  void stop(bool keep_apps) override;
  void abandon() override;

 private:
  // With mutex_ held.
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
  bool begin_stop();  // false: it has stopped before
  void compile_go(const std::vector<Runtime>& missing, const std::stop_token& stop);
  std::string go_cache_of(const Template& from) const;

  LocalPoolOptions options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;                    // adoption and the Go builder wait
  Ledger ledger_;                                          // guarded by mutex_
  Upstreams upstreams_;                                    // guarded by mutex_
  std::map<std::string, std::shared_ptr<Guest>> guests_;   // guarded by mutex_
  std::map<std::string, std::shared_ptr<Guest>> retired_;  // guarded by mutex_: on their way out
  std::set<std::string> adopting_;                         // guarded by mutex_
  std::optional<SteadyClock::time_point> refill_at_;       // guarded by mutex_
  bool go_wanted_ = false;                                 // guarded by mutex_
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

}  // namespace vibed::sandbox
