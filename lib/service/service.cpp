#include "service/service.hpp"

#include <algorithm>

#include "base/error_codes.hpp"
#include "service/history.hpp"
#include "service/service_state.hpp"

namespace vibed {
namespace {

Error no_such_app(const std::string& name) {
  return make_error("not_found", "there is no app \"" + name + "\"");
}

// The one whose lines a caller wants to see: what visitors reach, else the newest.
const Sandbox* talker(const std::vector<Sandbox>& sandboxes) {
  const Sandbox* best = nullptr;
  for (const Sandbox& sandbox : sandboxes) {
    if (sandbox.phase == SandboxPhase::gone) continue;
    if (sandbox.exposed) return &sandbox;
    best = &sandbox;
  }
  return best;
}

}  // namespace

Service::Service(AppStore& apps, SourceStore& sources, SandboxPool& pool, std::string space,
                 ServiceOptions options)
    : state_(std::make_unique<State>(apps, sources, pool, std::move(space), options)) {}

Service::~Service() = default;

Result<App> Service::State::own(const Caller& caller, const std::string& name) {
  auto app = apps.get(name);
  if (!app && app.error().code == Errc::not_found) return no_such_app(name);
  if (app && app->spec.owner != caller.user) return no_such_app(name);
  return app;
}

Result<App> Service::State::change(const Caller& caller, const std::string& name,
                                   const Edit& edit) {
  std::lock_guard lock(writer_of(name));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto app = own(caller, name);
    if (!app) return app;
    if (app->removed_at) return no_such_app(name);
    App edited = *app;
    if (Status done = edit(edited); !done) return std::move(done).error();
    if (edited == *app) return app;
    auto written = apps.write_spec(edited);
    if (written || written.error().code != Errc::conflict) return written;
  }
  return Error{Errc::conflict, "the app \"" + name + "\" is written too often; try again"};
}

Result<App> Service::State::mark_removed(const Caller& caller, const std::string& name) {
  std::lock_guard lock(writer_of(name));
  auto app = own(caller, name);
  if (!app) return app;
  Status marked = apps.remove(name);
  if (!marked && marked.error().code != Errc::not_found) return std::move(marked).error();
  return app;
}

Result<AppPage> Service::list(const Caller& caller, std::int64_t limit, std::int64_t offset) {
  // Without a user there is nobody to list for: an empty owner would mean everybody's.
  if (caller.user.empty()) return Error{Errc::unauthenticated, "nobody is calling"};
  return state_->apps.list(caller.user, limit, offset);
}

Result<App> Service::get(const Caller& caller, const std::string& name) {
  return state_->own(caller, name);
}

Status Service::remove(const Caller& caller, const std::string& name, std::stop_token stop) {
  State& state = *state_;
  AppFollower::Waiter waiter(state.follower, name);
  auto app = state.mark_removed(caller, name);
  if (!app) return std::move(app).error();
  state.forget(source_keys(*app));
  auto gone = state.await_gone(waiter, name, app->uid, stop);
  if (!gone) return std::move(gone).error();
  return success();
}

Result<App> Service::suspend(const Caller& caller, const std::string& name) {
  return state_->change(caller, name, [](App& app) {
    app.spec.suspended = true;
    return success();
  });
}

Result<App> Service::resume(const Caller& caller, const std::string& name) {
  return state_->change(caller, name, [](App& app) {
    app.spec.suspended = false;
    return success();
  });
}

Result<std::vector<AppVersion>> Service::versions(const Caller& caller, const std::string& name) {
  auto app = state_->own(caller, name);
  if (!app) return std::move(app).error();
  std::reverse(app->versions.begin(), app->versions.end());
  return std::move(app->versions);
}

Result<std::unique_ptr<LogStream>> Service::logs(const Caller& caller, const std::string& name,
                                                 const LogRequest& request) {
  auto app = state_->own(caller, name);
  if (!app) return std::move(app).error();
  return state_->log_slots->open(caller.user, [&]() -> Result<std::unique_ptr<LogStream>> {
    auto sandboxes = state_->pool.observe(app->uid);
    const Sandbox* sandbox = talker(sandboxes);
    if (sandbox == nullptr) {
      return make_error("not_found", "the app \"" + name + "\" has no sandbox, so no log lines");
    }
    return state_->pool.logs(sandbox->id, request);
  });
}

std::vector<TemplateStatus> Service::templates() { return state_->pool.templates(); }

std::map<std::string, int> Service::apps_by_template() {
  std::map<std::string, int> counts;
  auto everything = state_->apps.list("", 0, 0);
  if (!everything) return counts;
  for (const App& app : everything->items) ++counts[app.spec.template_name];
  return counts;
}

Result<App> Service::find_by_label(const std::string& label) {
  return state_->apps.find_by_label(label);
}

std::string Service::address_of(const App& app) {
  std::string address;
  for (const Sandbox& sandbox : state_->pool.observe(app.uid)) {
    if (sandbox.exposed) return sandbox.address;
    // The record may be known before the move of the upstream is.
    if (sandbox.generation == app.status.observed_generation) address = sandbox.address;
  }
  return address;
}

}  // namespace vibed
