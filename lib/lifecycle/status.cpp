#include "lifecycle/status.hpp"

#include <algorithm>
#include <span>

#include "app/explain_failure.hpp"
#include "base/text.hpp"

namespace vibed::lifecycle {
namespace {

constexpr std::size_t kLogLines = 10;
constexpr std::size_t kLineBytes = 400;
constexpr std::size_t kMessageBytes = 2048;

bool serves(const Sandbox* sandbox) {
  return sandbox != nullptr && sandbox->phase == SandboxPhase::listening;
}

void set(const View& view, AppStatus& status, std::string type, bool value, const Cause& cause,
         std::int64_t generation) {
  set_condition(status, {std::move(type), value, cause.reason, cause.message, {}, generation},
                view.now);
}

void drop(AppStatus& status, std::string_view type) {
  std::erase_if(status.conditions, [&](const Condition& c) { return c.type == type; });
}

// The parts that follow from the app and the sandbox that its status is about.
AppStatus base_status(const View& view, const Sandbox* about) {
  AppStatus status = view.app.status;
  if (find_condition(status, "SourceValid") == nullptr) {
    set(view, status, "SourceValid", true, {"Valid", ""}, view.app.generation);
  }
  if (!status.url.empty()) status.url = app_url(view.app, view.options);
  status.pod_ip.clear();
  status.sandbox_ref = about == nullptr ? "" : about->id;
  status.route_target = about == nullptr || !about->exposed ? "" : about->upstream;
  if (about != nullptr && !about->runtime_version.empty()) {
    status.runtime_version = about->runtime_version;
  }
  if (about != nullptr && !about->start_command.empty()) {
    status.start_command = about->start_command;
  }
  return status;
}

void say_running(const View& view, AppStatus& status, const Sandbox& serving) {
  status.phase = Phase::ready;
  status.url = app_url(view.app, view.options);
  if (status.observed_generation != serving.generation) status.last_deployed_at = view.now;
  status.observed_generation = serving.generation;
  set(view, status, "Ready", true, {"Running", "user process listening"}, serving.generation);
}

// The older one that still serves, or is being restarted in place, is what visitors see.
bool say_what_older_serves(const View& view, AppStatus& status) {
  const Sandbox* older = view.serving;
  if (older == nullptr || older == view.next) return false;
  if (serves(older)) {
    say_running(view, status, *older);
    return true;
  }
  if (older->phase != SandboxPhase::starting) return false;
  status.phase = Phase::starting;
  set(view, status, "Ready", false, {"Restarting", "user process ended; starting it again"},
      older->generation);
  return true;
}

const Sandbox* subject(const View& view) {
  return view.serving != nullptr ? view.serving : view.next;
}

}  // namespace

std::optional<Cause> recorded_failure(const App& app) {
  const Condition* progressing = find_condition(app.status, "Progressing");
  if (progressing == nullptr || progressing->status) return std::nullopt;
  if (progressing->observed_generation != app.generation) return std::nullopt;
  return Cause{progressing->reason, progressing->message};
}

AppStatus suspended_status(const View& view) {
  AppStatus status = base_status(view, nullptr);
  status.phase = Phase::suspended;
  drop(status, "Progressing");
  set(view, status, "Ready", false, {"Suspended", "app suspended; compute released"},
      view.app.generation);
  return status;
}

AppStatus progressing_status(const View& view, Phase phase, const Cause& cause) {
  AppStatus status = base_status(view, subject(view));
  set(view, status, "Progressing", true, cause, view.app.generation);
  if (say_what_older_serves(view, status)) return status;
  status.phase = phase;
  set(view, status, "Ready", false, cause, view.app.generation);
  return status;
}

AppStatus failed_status(const View& view, const Cause& cause) {
  const bool serving_failed = view.serving != nullptr && view.serving == view.next;
  AppStatus status = base_status(view, serving_failed ? nullptr : view.serving);
  if (cause.reason == "SourceMissing") {
    set(view, status, "SourceValid", false, cause, view.app.generation);
  }
  set(view, status, "Progressing", false, cause, view.app.generation);
  if (say_what_older_serves(view, status)) return status;
  status.phase = Phase::failed;
  set(view, status, "Ready", false, cause, view.app.generation);
  return status;
}

AppStatus ready_status(const View& view) {
  AppStatus status = base_status(view, view.serving);
  set(view, status, "SourceValid", true, {"Valid", ""}, view.app.generation);
  drop(status, "Progressing");
  say_running(view, status, *view.serving);
  return status;
}

std::string with_log(const std::string& what, const std::vector<std::string>& log) {
  std::string text = what;
  if (auto plain = explain_failure(log)) {
    text += text.empty() ? *plain : ": " + *plain;
  }
  text = std::string(cut(text, kMessageBytes / 2));
  std::span<const std::string> lines(log);
  if (lines.size() > kLogLines) lines = lines.last(kLogLines);

  std::size_t room = kMessageBytes - text.size();
  std::string tail;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    std::string shown = "\n" + std::string(cut(*line, kLineBytes));
    if (shown.size() > room) break;
    room -= shown.size();
    tail.insert(0, shown);
  }
  return text + tail;
}

}  // namespace vibed::lifecycle
