// Reconciler performs what step() decides, for one app at a time: the shell around the pure core,
// still without threads and with a clock that is given to it.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "lifecycle/memory.hpp"
#include "lifecycle/step.hpp"
#include "vibed/app_store.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::lifecycle {

// Different apps may be reconciled from many threads at once, one app by one thread at a time.
class Reconciler {
 public:
  using Now = std::function<Time()>;
  // An app as it was, and the status that has been written since. Must be quick.
  using Tell = std::function<void(const App& before, const AppStatus& after)>;

  // `apps` and `pool` outlive it. `tell`, if set, is called from whichever thread reconciles.
  Reconciler(AppStore& apps, SandboxPool& pool, StepOptions options, Now now, Tell tell = {});

  // Moves the app `name` as far as it goes now. Returns until when to come back at the latest, or
  // nothing: when something changes. An error is worth a retry.
  Result<std::optional<Time>> reconcile(const std::string& name);

  // Releases the sandboxes of apps that do not exist. Returns the names of all that do.
  Result<std::vector<std::string>> sweep();

 private:
  Result<std::optional<App>> read(const std::string& name);
  Status perform(App& app, Memory& memory, const Action& action);
  Status release_orphans(const std::string& name);
  Memory recollect(const App& app);
  void keep(const std::string& name, const Memory& memory);

  AppStore& apps_;
  SandboxPool& pool_;
  StepOptions options_;
  Now now_;
  Tell tell_;
  std::mutex mutex_;
  std::map<std::string, Memory> memories_;  // by app name; guarded by mutex_
};

}  // namespace vibed::lifecycle
