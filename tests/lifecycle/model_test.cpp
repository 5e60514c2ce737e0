// Thousands of interleavings of users, dying sandboxes, lost events and crashes, each followed by
// quiet, after which everything must be as the records ask for. VIBED_MODEL_RUNS asks for more of
// them, VIBED_MODEL_SEED for one.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/work_set.hpp"
#include "lifecycle/model.hpp"
#include "lifecycle/status.hpp"

namespace vibed::lifecycle {
namespace {

using testing::Crash;
using testing::ModelPool;
using testing::ModelStore;
using testing::World;

// The loop of loop.cpp in one thread and in virtual time.
class Driver {
 public:
  explicit Driver(std::uint64_t seed) : world_(seed), store_(world_), pool_(world_) {
    world_.lossy = world_.chance(50);
    boot();
  }

  void run() {
    for (int i = 0; i < 250; ++i) turn();
    world_.chaos = false;
    for (int i = 0; i < 80; ++i) quiet_turn();
  }

  World& world() { return world_; }

 private:
  // The program starts, knowing nothing.
  void boot() {
    queue_ = WorkSet();
    reconciler_.emplace(store_, pool_, StepOptions{}, [this] { return world_.now; });
    world_.known.clear();
    for (const auto& [name, app] : world_.apps) queue_.add(name);
    sweep_due_ = true;
  }

  void turn() {
    try {
      switch (world_.pick(6)) {
        case 0: world_.user_acts(); break;
        case 1: world_.machine_acts(); break;
        case 2: deliver(); break;
        case 3: world_.pass(std::chrono::milliseconds(world_.pick(20'000))); break;
        case 4: sweep(); break;
        default: work();
      }
    } catch (const Crash&) {
      world_.inside = false;
      boot();
    }
  }

  // Where events are lost the sweep makes up for it; where none are, it must not be needed.
  void quiet_turn() {
    world_.settle();
    sweep_due_ = sweep_due_ || world_.lossy;
    sweep();
    while (!world_.events.empty()) deliver();
    for (int i = 0; i < 6; ++i) work();
    world_.pass(std::chrono::seconds(5));
  }

  void deliver() {
    if (world_.events.empty()) return;
    queue_.add(world_.events.front());
    world_.events.pop_front();
  }

  void sweep() {
    if (!sweep_due_ && !world_.lossy) return;
    auto names = reconciler_->sweep();
    if (!names) return;
    sweep_due_ = false;
    for (const std::string& name : *names) queue_.add(name);
  }

  WorkSet::Time steady() const { return WorkSet::Time(world_.now.time_since_epoch()); }

  void work() {
    auto name = queue_.take(steady());
    if (!name) return;
    auto until = reconciler_->reconcile(*name);
    if (!until) {
      if (until.error().message.find("does not come to rest") != std::string::npos) {
        world_.wrong("an app does not come to rest");
      }
      queue_.add_at(*name, steady() + queue_.backoff(*name));
    } else {
      queue_.forget(*name);
      if (until->has_value()) queue_.add_at(*name, WorkSet::Time((*until)->time_since_epoch()));
    }
    queue_.finish(*name);
  }

  World world_;
  ModelStore store_;
  ModelPool pool_;
  WorkSet queue_;
  std::optional<Reconciler> reconciler_;
  bool sweep_due_ = false;
};

std::vector<Sandbox> boxes_of(ModelPool& pool, const App& app) {
  std::vector<Sandbox> boxes;
  for (Sandbox& box : pool.observe_all()) {
    if (box.app_uid == app.uid) boxes.push_back(std::move(box));
  }
  return boxes;
}

bool is_serving(const std::vector<Sandbox>& boxes, std::int64_t generation) {
  return boxes.size() == 1 && boxes[0].exposed && boxes[0].phase == SandboxPhase::listening &&
         boxes[0].generation == generation;
}

bool is_ready(const App& app, const std::vector<Sandbox>& boxes) {
  return app.status.phase == Phase::ready && app.status.observed_generation == app.generation &&
         find_condition(app.status, "Progressing") == nullptr && is_serving(boxes, app.generation);
}

// Failed for good: nothing serves, or an older one does and the record says both.
bool is_failed(const App& app, const std::vector<Sandbox>& boxes) {
  if (!recorded_failure(app)) return false;
  if (app.status.phase == Phase::failed) return boxes.empty();
  return app.status.phase == Phase::ready && app.status.observed_generation < app.generation &&
         is_serving(boxes, app.status.observed_generation);
}

bool is_as_asked(World& world, const App& app, const std::vector<Sandbox>& boxes) {
  if (app.removed_at) return false;  // it should be gone
  if (app.spec.suspended) return app.status.phase == Phase::suspended && boxes.empty();
  if (app.spec.source != "good") return is_failed(app, boxes);
  if (is_ready(app, boxes)) return true;
  return world.unlucky.contains({app.uid, app.generation}) && is_failed(app, boxes);
}

std::string story_of(const App& app, const std::vector<Sandbox>& boxes) {
  std::string story = to_json(app);
  for (const Sandbox& box : boxes) {
    story += "\n  " + box.id + " generation " + std::to_string(box.generation) + " phase " +
             std::to_string(static_cast<int>(box.phase)) + (box.exposed ? " exposed" : "");
  }
  return story;
}

// Empty if all went well.
std::string play(std::uint64_t seed) {
  Driver driver(seed);
  driver.run();
  World& world = driver.world();
  std::string wrong;
  for (const std::string& violation : world.violations) wrong += violation + "\n";
  ModelPool pool(world);
  std::set<std::string> uids;
  for (const auto& [name, app] : world.apps) {
    uids.insert(app.uid);
    const auto boxes = boxes_of(pool, app);
    if (!is_as_asked(world, app, boxes)) wrong += "not as asked: " + story_of(app, boxes) + "\n";
  }
  for (const auto& [id, box] : world.boxes) {
    if (!uids.contains(box.app_uid)) wrong += "leaked: " + id + " of " + box.app + "\n";
  }
  return wrong;
}

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(LifecycleModel, AlwaysConvergesAndNeverLies) {
  const std::uint64_t first = number_from("VIBED_MODEL_SEED", 1);
  const std::uint64_t runs =
      number_from("VIBED_MODEL_RUNS", std::getenv("VIBED_MODEL_SEED") == nullptr ? 200 : 1);
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    std::string wrong = play(seed);
    ASSERT_EQ(wrong, "") << "VIBED_MODEL_SEED=" << seed << " shows it again";
  }
}

}  // namespace
}  // namespace vibed::lifecycle
