// The world of the lifecycle's model test: a store, a pool, users, dying sandboxes and lost events,
// all in one thread, in virtual time, driven by one seed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lifecycle/reconciler.hpp"
#include "vibed/app_store.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::lifecycle::testing {

// Thrown out of a fake's method: the program died there, before or after the effect.
struct Crash {};

// What is true, whoever knows it.
class World {
 public:
  explicit World(std::uint64_t seed) : random(seed) {}

  bool chance(int percent) { return static_cast<int>(random() % 100) < percent; }
  std::size_t pick(std::size_t below) { return random() % below; }
  void wrong(const std::string& what) { violations.push_back(what); }

  // Called at the beginning and at the end of every call of store and pool: anything may happen.
  void meanwhile();

  // One thing done by a user, or by the machine, to something.
  void user_acts();
  void machine_acts();
  // Every sandbox that is on its way arrives; nothing else happens.
  void settle();
  void pass(std::chrono::milliseconds time);
  void changed(const std::string& app);

  std::mt19937_64 random;
  Time now = Time{} + std::chrono::hours(500'000);
  bool chaos = true;    // faults and crashes happen
  bool lossy = false;   // events may be lost, records too
  bool inside = false;  // within a call already: nothing happens twice at once

  std::map<std::string, App> apps;
  std::map<std::string, Sandbox> boxes;                    // by id
  std::map<std::string, std::string> exposed;              // label → id
  std::map<std::string, std::string> sources;              // box → what was injected
  std::set<std::string> injected_not_seen;                 // still shown as bound
  std::map<std::string, App> known;                        // what the lifecycle read last
  std::map<std::string, std::vector<Sandbox>> seen;        // what it observed last, by uid
  std::set<std::pair<std::string, std::int64_t>> unlucky;  // uid, generation: may end as Failed
  std::deque<std::string> events;
  std::vector<std::string> violations;
  std::int64_t version = 0;
  int counter = 0;
};

class ModelStore final : public AppStore {
 public:
  explicit ModelStore(World& world) : world_(world) {}
  Result<App> create(const App& app) override;
  Result<App> get(const std::string& name) override;
  Result<App> find_by_label(const std::string& label) override;
  Result<AppPage> list(const std::string& owner, std::int64_t limit, std::int64_t offset) override;
  Result<App> write_spec(const App& app) override;
  Result<App> write_status(const std::string& name, const std::string& uid,
                           const AppStatus& status) override;
  Status remove(const std::string& name) override;
  Status finish_remove(const std::string& name, const std::string& uid) override;
  std::unique_ptr<AppWatch> watch(std::int64_t from) override;

 private:
  World& world_;
};

class ModelPool final : public SandboxPool {
 public:
  explicit ModelPool(World& world) : world_(world) {}
  Result<Sandbox> claim(const SandboxRequest& request) override;
  Status inject(const std::string& id, const Injection& injection) override;
  Status expose(const std::string& label, const std::string& id) override;
  Status release(const std::string& id) override;
  std::vector<Sandbox> observe(const std::string& app_uid) override;
  std::vector<Sandbox> observe_all() override;
  Result<std::unique_ptr<LogStream>> logs(const std::string& id,
                                          const LogRequest& request) override;
  std::vector<TemplateStatus> templates() override { return {}; }
  void subscribe(std::function<void(const std::string&)> on_change) override;

 private:
  World& world_;
};

}  // namespace vibed::lifecycle::testing
