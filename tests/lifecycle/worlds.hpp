// Apps, sandboxes and actions in few words, for the tests of the lifecycle.
#pragma once

#include <string>
#include <vector>

#include "lifecycle/step.hpp"

namespace vibed::lifecycle::testing {

inline Time at(int seconds) {
  return Time{} + std::chrono::hours(500'000) + std::chrono::seconds(seconds);
}

inline App an_app(std::int64_t generation = 1) {
  App app;
  app.name = "web";
  app.space = "vibed-apps";
  app.uid = "uid-web";
  app.generation = generation;
  app.spec.source = "web.v1.key";
  app.spec.lane = "general";
  app.spec.template_name = "node-24";
  return app;
}

inline Sandbox a_box(std::string id, std::int64_t generation, SandboxPhase phase,
                     bool exposed = false) {
  Sandbox box;
  box.id = std::move(id);
  box.app = "web";
  box.app_uid = "uid-web";
  box.generation = generation;
  box.template_name = "node-24";
  box.phase = phase;
  box.exposed = exposed;
  box.upstream = "unix//run/web.sock";
  box.start_command = "node server.js (package.json: main)";
  box.runtime_version = "node v20.20.2";
  if (phase == SandboxPhase::starting) box.injected_at = at(0);
  if (phase == SandboxPhase::failed) {
    box.reason = "AppExited";
    box.message = "the app exited with status 1 before it listened";
    box.log_tail = {"boom"};
  }
  return box;
}

// "Ready: Running of 1" and, when something is under way or has failed, "; going on: Claiming of 2"
// or "; failed: AppExited of 2".
inline std::string describe(const AppStatus& status) {
  std::string text(to_string(status.phase));
  if (const Condition* ready = find_condition(status, "Ready")) {
    text += ": " + ready->reason + " of " + std::to_string(ready->observed_generation);
  }
  if (const Condition* going = find_condition(status, "Progressing")) {
    text += going->status ? "; going on: " : "; failed: ";
    text += going->reason + " of " + std::to_string(going->observed_generation);
  }
  return text;
}

inline std::string describe(const Action& action) {
  std::string text(name_of(action));
  if (const auto* claim = std::get_if<Claim>(&action)) {
    text += " " + std::to_string(claim->request.generation);
  } else if (const auto* inject = std::get_if<Inject>(&action)) {
    text += " " + inject->sandbox;
  } else if (const auto* expose = std::get_if<Expose>(&action)) {
    text += " " + expose->sandbox;
  } else if (const auto* release = std::get_if<Release>(&action)) {
    text += (release->lost ? " lost " : " ") + release->sandbox;
  } else if (const auto* write = std::get_if<WriteStatus>(&action)) {
    text = "status " + describe(write->status);
  } else if (const auto* wait = std::get_if<Wait>(&action); wait != nullptr && wait->until) {
    text += " until " +
            std::to_string(
                std::chrono::duration_cast<std::chrono::seconds>(*wait->until - at(0)).count());
  }
  return text;
}

// `app` with the status that step() gives it in the world `boxes`, told before anything else.
inline App told(App app, const std::vector<Sandbox>& boxes, const Memory& memory = {},
                Time now = at(0)) {
  Action action = step(app, boxes, memory, now, {});
  if (auto* write = std::get_if<WriteStatus>(&action)) app.status = write->status;
  return app;
}

// An app of `generation` whose generation `serving` serves and whose record says so.
inline App a_ready_app(std::int64_t serving, std::int64_t generation) {
  App app = told(an_app(serving),
                 {a_box("s" + std::to_string(serving), serving, SandboxPhase::listening, true)});
  app.generation = generation;
  return app;
}

}  // namespace vibed::lifecycle::testing
