// What an app's status ought to say in each situation of its lifecycle. Pure.
#pragma once

#include <optional>
#include <string>

#include "lifecycle/memory.hpp"
#include "lifecycle/step.hpp"
#include "vibed/app.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::lifecycle {

// Why something is not, or not yet, as it should be.
struct Cause {
  std::string reason;   // CamelCase
  std::string message;  // for a person
};

// One app, its sandboxes and the time: what every decision is made from.
struct View {
  const App& app;
  const Memory& memory;
  Time now;
  const StepOptions& options;
  const Sandbox* serving = nullptr;  // exposed and not gone, of any generation
  const Sandbox* next = nullptr;  // of the desired generation and not gone; may be the serving one
};

// The failure of the desired generation that the status already tells, which is what keeps it from
// being claimed again.
std::optional<Cause> recorded_failure(const App& app);

AppStatus suspended_status(const View& view);
// The desired generation is on its way, and `cause` says how far. The app stays Ready while an
// older one serves.
AppStatus progressing_status(const View& view, Phase phase, const Cause& cause);
// The desired generation has failed for good.
AppStatus failed_status(const View& view, const Cause& cause);
// The desired generation serves.
AppStatus ready_status(const View& view);

// The app's own last lines below `what` and, if they tell it, the reason in plain words. At most
// 2 KiB.
std::string with_log(const std::string& what, const std::vector<std::string>& log);

}  // namespace vibed::lifecycle
