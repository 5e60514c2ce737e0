#include "lifecycle/step.hpp"

#include <algorithm>

#include "lifecycle/status.hpp"

namespace vibed::lifecycle {
namespace {

using Next = std::optional<Action>;

// `status` if the record does not say so already.
Next tell(const View& view, AppStatus status) {
  if (status == view.app.status) return std::nullopt;
  return WriteStatus{std::move(status)};
}

bool better(const Sandbox& a, const Sandbox& b) {
  auto rank = [](const Sandbox& s) {
    return s.exposed ? 2 : s.phase == SandboxPhase::listening ? 1 : 0;
  };
  return rank(a) > rank(b);
}

View look(const App& app, const std::vector<Sandbox>& sandboxes, const Memory& memory, Time now,
          const StepOptions& options) {
  View view{app, memory, now, options};
  for (const Sandbox& sandbox : sandboxes) {
    if (sandbox.phase == SandboxPhase::gone) continue;
    if (sandbox.exposed) view.serving = &sandbox;
    if (sandbox.generation != app.generation) continue;
    if (view.next == nullptr || better(sandbox, *view.next)) view.next = &sandbox;
  }
  return view;
}

// The first sandbox that is neither of `keep`.
Next release_others(const std::vector<Sandbox>& sandboxes, const Sandbox* keep,
                    const Sandbox* also_keep = nullptr) {
  for (const Sandbox& sandbox : sandboxes) {
    if (&sandbox != keep && &sandbox != also_keep) return Release{sandbox.id};
  }
  return std::nullopt;
}

// Until when an injected sandbox may take to listen. A restart in place counts from the time the
// status told of it.
Time start_deadline(const View& view) {
  Time began = view.next->injected_at;
  const Condition* ready = find_condition(view.app.status, "Ready");
  if (view.next->exposed && ready != nullptr) began = std::max(began, ready->last_transition_time);
  if (view.next->exposed && view.app.status.phase == Phase::ready) began = view.now;
  if (began == Time{}) began = view.now;
  return began + view.options.start_timeout;
}

// One that says what it waits for has not begun to start.
bool is_timed(const Sandbox& sandbox) {
  return sandbox.phase == SandboxPhase::starting && sandbox.reason.empty();
}

std::optional<Cause> missing_in_spec(const AppSpec& spec) {
  if (spec.source.empty()) {
    return Cause{"SourceMissing", spec.git_ref.empty()
                                      ? "spec.source must set tarballRef or gitRef"
                                      : "spec.source.gitRef is not supported; set tarballRef"};
  }
  if (spec.lane.empty()) return Cause{"SourceMissing", "spec.runtime.lane is required"};
  return std::nullopt;
}

Cause not_listening(const View& view) {
  return {"NotListening",
          with_log("nothing listened within " + std::to_string(view.options.start_timeout.count()) +
                       " s: the app must listen on the port in $PORT (" +
                       std::to_string(view.options.app_port) + ")",
                   view.next->log_tail)};
}

Cause of_claim(const View& view) {
  const Error& error = *view.memory.claim_error;
  if (error.code != Errc::not_found) return {"ClaimFailed", error.message};
  return {"TemplateMissing", "no SandboxTemplate for template \"" + view.app.spec.template_name +
                                 "\" (no warm pool configured for it)"};
}

// Why the desired generation cannot come to serve, if so.
std::optional<Cause> failure(const View& view) {
  if (auto recorded = recorded_failure(view.app)) return recorded;
  if (auto missing = missing_in_spec(view.app.spec)) return missing;
  const Sandbox* next = view.next;
  const Memory& memory = view.memory;
  if (next == nullptr) {
    if (memory.claim_error && is_terminal(*memory.claim_error)) return of_claim(view);
    return std::nullopt;
  }
  if (next->phase == SandboxPhase::failed) {
    return Cause{next->reason.empty() ? "AppExited" : next->reason,
                 with_log(next->message, next->log_tail)};
  }
  if (next->phase == SandboxPhase::bound && memory.inject_error && memory.injected == next->id) {
    return Cause{"InjectFailed", memory.inject_error->message};
  }
  if (is_timed(*next) && view.now >= start_deadline(view)) return not_listening(view);
  return std::nullopt;
}

Action give_up(const View& view, const std::vector<Sandbox>& sandboxes, const Cause& cause) {
  // The record first: it is what keeps the generation from being claimed again.
  if (auto told = tell(view, failed_status(view, cause))) return *told;
  const Sandbox* older = view.serving;
  const bool alive = older != nullptr && older != view.next &&
                     older->generation != view.app.generation &&
                     older->phase != SandboxPhase::failed;
  if (auto release = release_others(sandboxes, alive ? older : nullptr)) return *release;
  return Wait{};
}

// Whether the desired generation has served before, and nothing says it still does.
bool was_serving(const View& view) {
  return view.app.status.observed_generation == view.app.generation && view.serving == nullptr &&
         (view.app.status.phase == Phase::ready || view.app.status.phase == Phase::starting);
}

Action get_sandbox(const View& view) {
  const App& app = view.app;
  const Memory& memory = view.memory;
  const bool lost = was_serving(view) || memory.losses > 0;
  if (memory.claim_after && view.now < *memory.claim_after) {
    Cause cause{"Claiming", "waiting on warm pool"};
    if (memory.claim_error) cause.message += ": " + memory.claim_error->message;
    if (lost && !memory.claim_error) {
      cause = {"SandboxLost", "the sandbox ended; it is started again after a pause"};
    }
    Phase phase = lost ? Phase::starting : Phase::claiming;
    if (auto told = tell(view, progressing_status(view, phase, cause))) return *told;
    return Wait{memory.claim_after};
  }
  // Nothing serves any more: say so before trying to help.
  if (was_serving(view)) {
    Cause cause{"SandboxLost", "the sandbox ended; starting the app in a new one"};
    if (auto told = tell(view, progressing_status(view, Phase::starting, cause))) return *told;
  }
  return Claim{{app.name, app.uid, app_label(app.space, app.name), app.generation,
                app.spec.template_name, app.spec.owner}};
}

Action await_sandbox(const View& view) {
  const bool back = view.app.status.phase == Phase::suspended;
  Cause cause{"Claiming", back ? "restoring; re-claiming warm pool" : "waiting on warm pool"};
  if (const Condition* ready = find_condition(view.app.status, "Ready");
      ready != nullptr && ready->message.starts_with("restoring")) {
    cause.message = ready->message;
  }
  Phase phase = Phase::claiming;
  if (was_serving(view)) {
    phase = Phase::starting;
    cause = {"SandboxLost", "the sandbox ended; starting the app in a new one"};
  }
  if (!view.next->reason.empty()) cause.message += ": " + view.next->message;
  if (auto told = tell(view, progressing_status(view, phase, cause))) return *told;
  return Wait{};
}

Action await_listening(const View& view) {
  Cause cause{"Starting", "user process starting"};
  if (view.next->exposed) cause = {"Restarting", "user process ended; starting it again"};
  const bool timed = is_timed(*view.next);
  if (!timed) cause = {view.next->reason, view.next->message};
  if (auto told = tell(view, progressing_status(view, Phase::starting, cause))) return *told;
  return timed ? Wait{start_deadline(view)} : Wait{};
}

Action inject(const View& view) {
  // The pool is still taking it in: injected once, told once.
  if (view.memory.injected == view.next->id) {
    Cause cause{"Injecting", "injecting source into sandbox"};
    if (auto told = tell(view, progressing_status(view, Phase::starting, cause))) return *told;
    return Wait{};
  }
  const AppSpec& spec = view.app.spec;
  return Inject{view.next->id, {spec.source, spec.entrypoint, spec.env}};
}

Action serve(const View& view, const std::vector<Sandbox>& sandboxes) {
  if (!view.next->exposed) {
    return Expose{app_label(view.app.space, view.app.name), view.next->id};
  }
  View settled = view;
  settled.serving = view.next;
  if (auto told = tell(view, ready_status(settled))) return *told;
  if (auto release = release_others(sandboxes, view.next)) return *release;
  return Wait{};
}

// A dead sandbox that was wanted. What is only left over is released when the newest one serves.
const Sandbox* find_lost(const View& view, const std::vector<Sandbox>& sandboxes) {
  auto lost = std::find_if(sandboxes.begin(), sandboxes.end(), [&](const Sandbox& sandbox) {
    return sandbox.phase == SandboxPhase::gone && sandbox.generation == view.app.generation;
  });
  return lost == sandboxes.end() ? nullptr : &*lost;
}

Action advance(const View& view, const std::vector<Sandbox>& sandboxes) {
  const Sandbox* next = view.next;
  if (next != nullptr && next->phase == SandboxPhase::listening) return serve(view, sandboxes);

  if (const Sandbox* lost = find_lost(view, sandboxes); lost != nullptr && next == nullptr) {
    return Release{lost->id, true};
  }
  const Sandbox* older = view.serving != nullptr && view.serving->phase != SandboxPhase::failed
                             ? view.serving
                             : nullptr;
  if (auto release = release_others(sandboxes, next, older)) return *release;
  if (next == nullptr) return get_sandbox(view);
  switch (next->phase) {
    case SandboxPhase::pending: return await_sandbox(view);
    case SandboxPhase::bound: return inject(view);
    case SandboxPhase::starting: return await_listening(view);
    case SandboxPhase::listening:    // served above
    case SandboxPhase::failed:       // a failure
    case SandboxPhase::gone: break;  // not looked at
  }
  return Wait{};
}

}  // namespace

Action step(const App& app, const std::vector<Sandbox>& sandboxes, const Memory& memory, Time now,
            const StepOptions& options) {
  const View view = look(app, sandboxes, memory, now, options);
  if (app.removed_at) {
    if (auto release = release_others(sandboxes, nullptr)) return *release;
    return FinishRemove{};
  }
  if (app.spec.suspended) {
    if (auto release = release_others(sandboxes, nullptr)) return *release;
    if (auto told = tell(view, suspended_status(view))) return *told;
    return Wait{};
  }
  if (auto cause = failure(view)) return give_up(view, sandboxes, *cause);
  return advance(view, sandboxes);
}

std::string app_url(const App& app, const StepOptions& options) {
  std::string url =
      options.url_scheme + "://" + app_label(app.space, app.name) + "." + options.domain;
  if (options.url_port != 0) url += ":" + std::to_string(options.url_port);
  return url;
}

std::string_view name_of(const Action& action) {
  static constexpr std::string_view kNames[] = {
      "claim", "inject", "expose", "release", "write_status", "finish_remove", "wait"};
  return kNames[action.index()];
}

}  // namespace vibed::lifecycle
