#include "lifecycle/reconciler.hpp"

#include <set>

#include "base/log.hpp"

namespace vibed::lifecycle {
namespace {

// Far more than any app needs; a pool or a store that does not do what it says ends here.
constexpr int kMostActions = 64;

std::optional<Error> error_of(const Status& status) {
  if (status) return std::nullopt;
  return status.error();
}

void tell_log(const App& app, const AppStatus& status) {
  if (status.phase == app.status.phase) return;
  const Condition* ready = find_condition(status, "Ready");
  log::info("app phase", {{"app", app.name},
                          {"generation", std::to_string(app.generation)},
                          {"phase", std::string(to_string(status.phase))},
                          {"reason", ready == nullptr ? "" : ready->reason}});
}

}  // namespace

Reconciler::Reconciler(AppStore& apps, SandboxPool& pool, StepOptions options, Now now, Tell tell)
    : apps_(apps),
      pool_(pool),
      options_(std::move(options)),
      now_(std::move(now)),
      tell_(std::move(tell)) {}

Result<std::optional<Time>> Reconciler::reconcile(const std::string& name) {
  auto app = read(name);
  if (!app) return std::move(app).error();
  if (!app->has_value()) {
    keep(name, {});
    if (auto released = release_orphans(name); !released) return std::move(released).error();
    return std::optional<Time>();
  }
  App current = **std::move(app);
  Memory memory = recollect(current);
  for (int actions = 0; actions < kMostActions; ++actions) {
    recall(memory, current);
    Action action = step(current, pool_.observe(current.uid), memory, now_(), options_);
    if (auto* wait = std::get_if<Wait>(&action)) {
      keep(name, memory);
      return wait->until;
    }
    Status done = perform(current, memory, action);
    keep(name, memory);
    if (!done) return std::move(done).error().during(name_of(action));
    if (std::holds_alternative<FinishRemove>(action)) {
      keep(name, {});
      return std::optional<Time>();
    }
  }
  return Error{Errc::internal, "the app does not come to rest"};
}

Result<std::optional<App>> Reconciler::read(const std::string& name) {
  auto app = apps_.get(name);
  if (app) return std::optional<App>(*std::move(app));
  if (app.error().code == Errc::not_found) return std::optional<App>();
  return std::move(app).error().during("read the app");
}

// Does it, learns from it, and brings `app` up to date. What a claim or an injection that failed
// means is step()'s to say, so these are no errors here.
Status Reconciler::perform(App& app, Memory& memory, const Action& action) {
  if (const auto* claim = std::get_if<Claim>(&action)) {
    auto claimed = pool_.claim(claim->request);
    std::optional<Error> error;
    if (!claimed) error = claimed.error();
    remember_claim(memory, error, now_());
  } else if (const auto* inject = std::get_if<Inject>(&action)) {
    auto error = error_of(pool_.inject(inject->sandbox, inject->injection));
    remember_injection(memory, inject->sandbox, error);
    if (error && !is_terminal(*error)) return *std::move(error);
  } else if (const auto* expose = std::get_if<Expose>(&action)) {
    return pool_.expose(expose->label, expose->sandbox);
  } else if (const auto* release = std::get_if<Release>(&action)) {
    if (auto released = pool_.release(release->sandbox); !released) return released;
    if (release->lost) remember_loss(memory, now_());
  } else if (const auto* write = std::get_if<WriteStatus>(&action)) {
    tell_log(app, write->status);
    auto written = apps_.write_status(app.name, app.uid, write->status);
    if (!written) return std::move(written).error();
    if (tell_) tell_(app, written->status);
    app = *std::move(written);
    return success();
  } else if (std::holds_alternative<FinishRemove>(action)) {
    return apps_.finish_remove(app.name, app.uid);
  }
  return success();
}

Status Reconciler::release_orphans(const std::string& name) {
  for (const Sandbox& sandbox : pool_.observe_all()) {
    if (sandbox.app != name) continue;
    // Another app may have got the name meanwhile.
    auto app = apps_.get(name);
    if (app && app->uid == sandbox.app_uid) continue;
    if (!app && app.error().code != Errc::not_found) return std::move(app).error();
    if (auto released = pool_.release(sandbox.id); !released) return released;
  }
  return success();
}

Result<std::vector<std::string>> Reconciler::sweep() {
  // In this order: a sandbox seen first belongs to an app that was there before it.
  const std::vector<Sandbox> sandboxes = pool_.observe_all();
  auto page = apps_.list("", 0, 0);
  if (!page) return std::move(page).error().during("list the apps");
  std::set<std::string> uids;
  std::vector<std::string> names;
  for (const App& app : page->items) {
    uids.insert(app.uid);
    names.push_back(app.name);
  }
  for (const Sandbox& sandbox : sandboxes) {
    if (uids.contains(sandbox.app_uid)) continue;
    log::info("orphan sandbox", {{"app", sandbox.app}, {"sandbox", sandbox.id}});
    if (auto released = pool_.release(sandbox.id); !released) return std::move(released).error();
  }
  return names;
}

Memory Reconciler::recollect(const App& app) {
  std::lock_guard lock(mutex_);
  auto at = memories_.find(app.name);
  Memory memory = at == memories_.end() ? Memory{} : at->second;
  recall(memory, app);
  return memory;
}

// Only what says something is kept: an app at rest costs nothing.
void Reconciler::keep(const std::string& name, const Memory& memory) {
  std::lock_guard lock(mutex_);
  if (memory.blank()) {
    memories_.erase(name);
  } else {
    memories_.insert_or_assign(name, memory);
  }
}

}  // namespace vibed::lifecycle
