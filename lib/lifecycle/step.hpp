// step() decides what to do next for one app: the whole lifecycle of docs/lifecycle.md, without a
// clock or lock.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lifecycle/memory.hpp"
#include "vibed/app.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::lifecycle {

struct Claim {
  SandboxRequest request;
};
struct Inject {
  std::string sandbox;
  Injection injection;
};
struct Expose {
  std::string label;
  std::string sandbox;
};
struct Release {
  std::string sandbox;
  bool lost = false;  // it died although it was wanted; the next claim may have to wait for it
};
struct WriteStatus {
  AppStatus status;
};
struct FinishRemove {};
// Nothing to do until something changes, or until `until` (a start that must not take for ever).
struct Wait {
  std::optional<Time> until = {};
};

using Action = std::variant<Claim, Inject, Expose, Release, WriteStatus, FinishRemove, Wait>;

struct StepOptions {
  std::chrono::seconds start_timeout{60};  // from injection to listening, else Failed
  std::string url_scheme = "http";
  std::string domain = "localhost";
  int url_port = 0;     // 0: none in the URL
  int app_port = 8080;  // where apps are told to listen; for messages
};

// The next action for `app`, whose claimed sandboxes are `sandboxes`. Called again after each
// action and whenever app or sandboxes have changed; it ends in Wait when the world is as it should
// be. Pure: equal arguments give equal actions.
Action step(const App& app, const std::vector<Sandbox>& sandboxes, const Memory& memory, Time now,
            const StepOptions& options);

// "http://k3v0abc12345.localhost:18080"
std::string app_url(const App& app, const StepOptions& options);

// "claim", "inject" …: for logs and metrics.
std::string_view name_of(const Action& action);

}  // namespace vibed::lifecycle
