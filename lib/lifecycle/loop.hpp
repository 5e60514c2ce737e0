// Lifecycle keeps every app of a store as its record asks for, until it is destroyed.
#pragma once

#include <chrono>
#include <memory>

#include "lifecycle/reconciler.hpp"
#include "lifecycle/step.hpp"
#include "vibed/app_store.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::lifecycle {

struct LoopOptions {
  StepOptions step = {};
  int workers = 8;                          // apps moved at once; they mostly wait for others
  std::chrono::seconds sweep_interval{60};  // orphans, and what a lost event left undone
  std::chrono::seconds first_pass{10};      // start() waits for it at most so long
  Reconciler::Now now = std::chrono::system_clock::now;
  Reconciler::Tell tell = {};  // of every status that was written
};

class Lifecycle {
 public:
  // Runs at once, and returns when every app that was there has been looked at once: from then on
  // records say what is true, not what was true before the last stop. `apps` and `pool` outlive it;
  // it is the pool's one subscriber.
  static std::unique_ptr<Lifecycle> start(AppStore& apps, SandboxPool& pool, LoopOptions options);

  // Finishes the actions under way and stops; sandboxes stay as they are.
  virtual ~Lifecycle() = default;

  // Looks at the app `name` as if it had changed.
  virtual void poke(const std::string& name) = 0;
};

}  // namespace vibed::lifecycle
