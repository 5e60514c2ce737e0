// From an archive to a record, and the wait for what becomes of it.
#include <algorithm>

#include "app/label_value.hpp"
#include "base/error_codes.hpp"
#include "base/log.hpp"
#include "service/history.hpp"
#include "service/service_state.hpp"

namespace vibed {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kBrowserBundleRule = 2;

Error of_somebody_else(const std::string& name) {
  return {Errc::permission_denied, "the app \"" + name + "\" belongs to somebody else"};
}

bool may_replace(const Caller& caller, const App& app) {
  return caller.admin || app.spec.owner.empty() || app.spec.owner == caller.user;
}

// Everything the request does not say is reset: a deploy is a full replacement.
AppSpec spec_of(const Caller& caller, const DeployMetadata& metadata, const DeployPlan& plan,
                const std::string& source) {
  AppSpec spec;
  spec.owner = caller.user;
  spec.source = source;
  spec.lane = plan.lane;
  spec.template_name = plan.template_name;
  spec.entrypoint = metadata.entrypoint;
  spec.env = metadata.env;
  spec.allowed_hosts = metadata.allowed_hosts;
  if (!metadata.ttl.empty()) spec.ttl = metadata.ttl;
  return spec;
}

Status check_size(const Service::Archive& archive, const ArchiveLimits& limits) {
  if (archive.size == 0) return make_error("deploy_failed", "source is empty");
  if (archive.size <= limits.packed_bytes) return success();
  return make_error("payload_too_large", "source exceeds the limit of " +
                                             std::to_string(limits.packed_bytes) + " bytes");
}

}  // namespace

Result<DeployPlan> Service::State::plan(const DeployMetadata& metadata, const Archive& archive) {
  if (metadata.name.empty()) return make_error("missing_name", "the app has no name");
  if (!is_app_name(metadata.name)) {
    return make_error("bad_name", "\"" + metadata.name + "\" is not an app's name");
  }
  if (Status fits = check_size(archive, options.limits); !fits) return std::move(fits).error();
  auto bytes = archive.open();
  if (!bytes) return std::move(bytes).error();
  auto listing = list_archive(**bytes, options.limits);
  if (!listing) return std::move(listing).error();
  Classification found = classify(*listing, {metadata.lane, metadata.template_name});
  bool named = !metadata.template_name.empty();
  if (found.rule == kBrowserBundleRule && !named) {
    return make_error("build_required", found.reason +
                                            ": deploy the built output folder, or name a template "
                                            "that runs the app as it is");
  }
  if (Status known = check_template(found.template_name, named); !known) return known.error();
  return DeployPlan{std::string(to_string(found.lane)), found.template_name};
}

Status Service::State::check_template(const std::string& name, bool named_by_caller) {
  auto templates = pool.templates();
  auto at = std::find_if(templates.begin(), templates.end(),
                         [&](const TemplateStatus& t) { return t.name == name; });
  if (at == templates.end() && named_by_caller) {
    std::string known;
    for (const TemplateStatus& t : templates) known += (known.empty() ? "" : ", ") + t.name;
    return make_error("unknown_template",
                      "there is no template \"" + name + "\"; there are " + known);
  }
  if (at == templates.end()) {
    return make_error("template_unavailable", "the app needs the template \"" + name +
                                                  "\", which this vibed does not have");
  }
  if (at->available) return success();
  return make_error("template_unavailable", "the template \"" + name + "\" is not available" +
                                                (at->message.empty() ? "" : ": " + at->message));
}

Status Service::State::check_owner(const Caller& caller, const std::string& name) {
  auto existing = apps.get(name);
  if (existing) return may_replace(caller, *existing) ? success() : of_somebody_else(name);
  if (existing.error().code == Errc::not_found) return success();
  return std::move(existing).error();
}

Result<App> Service::State::record(const Caller& caller, const DeployMetadata& metadata,
                                   const DeployPlan& plan, const StoredSource& source) {
  std::lock_guard lock(writer_of(metadata.name));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto existing = apps.get(metadata.name);
    bool fresh = !existing && existing.error().code == Errc::not_found;
    if (!existing && !fresh) return existing;
    if (existing && !may_replace(caller, *existing)) return of_somebody_else(metadata.name);
    if (existing && existing->removed_at) {
      return Error{Errc::conflict, "the app \"" + metadata.name + "\" is being removed"};
    }
    App app = fresh ? App{} : *std::move(existing);
    app.name = metadata.name;
    app.labels["vibed.dev/owner"] = label_value(caller.user);
    app.spec = spec_of(caller, metadata, plan, source.key);
    AppVersion version{next_version(app),  std::chrono::system_clock::now(),
                       plan.template_name, plan.lane,
                       source.sha256,      source.key};
    auto evicted = add_version(app, std::move(version), options.versions_kept);
    auto written = fresh ? apps.create(app) : apps.write_spec(app);
    if (written) {
      forget(evicted);
      return written;
    }
    // Another deploy, or the lifecycle, was faster: what it wrote is read and built upon.
    Errc code = written.error().code;
    bool again = code == Errc::conflict || code == Errc::already_exists || code == Errc::not_found;
    if (!again) return written;
  }
  return Error{Errc::conflict, "the app \"" + metadata.name + "\" is written too often; try again"};
}

Result<DeployOutcome> Service::State::await(AppFollower::Waiter& waiter, App written,
                                            const std::stop_token& stop) {
  const auto deadline = Steady::now() + options.deploy_budget;
  const std::int64_t generation = written.generation;
  App seen = std::move(written);
  for (;;) {
    Outcome outcome = outcome_of(seen, generation);
    if (outcome != Outcome::waiting) {
      return DeployOutcome{std::move(seen), outcome == Outcome::ready};
    }
    auto event = waiter.next(stop, deadline);
    if (!event && event.error().code == Errc::deadline_exceeded) return DeployOutcome{seen, false};
    if (!event) return std::move(event).error();
    if (event->app.resource_version <= seen.resource_version) continue;
    if (event->gone || event->app.uid != seen.uid || event->app.removed_at) {
      return make_error("deploy_failed",
                        "the app \"" + seen.name + "\" was removed while it was being deployed");
    }
    seen = std::move(event->app);
  }
}

Result<bool> Service::State::await_gone(AppFollower::Waiter& waiter, const std::string& name,
                                        const std::string& uid, const std::stop_token& stop) {
  const auto deadline = Steady::now() + options.remove_budget;
  for (;;) {
    auto app = apps.get(name);
    if (!app && app.error().code != Errc::not_found) return std::move(app).error();
    if (!app || app->uid != uid) return true;
    auto event = waiter.next(stop, deadline);
    if (!event && event.error().code == Errc::deadline_exceeded) return false;
    if (!event) return std::move(event).error();
  }
}

void Service::State::forget(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    Status removed = sources.remove(key);
    if (!removed) log::warn("a source stays behind", {{"error", removed.error().message}});
  }
}

Result<DeployOutcome> Service::deploy(const Caller& caller, const DeployMetadata& metadata,
                                      const Archive& archive, std::stop_token stop) {
  State& state = *state_;
  auto plan = state.plan(metadata, archive);
  if (!plan) return std::move(plan).error();
  if (Status owned = state.check_owner(caller, metadata.name); !owned) return owned.error();

  // Before the record, so that nothing of what follows it is missed.
  AppFollower::Waiter waiter(state.follower, metadata.name);
  auto existing = state.apps.get(metadata.name);
  if (existing && existing->removed_at) {
    auto gone = state.await_gone(waiter, metadata.name, existing->uid, stop);
    if (!gone) return std::move(gone).error();
  }
  if (stop.stop_requested()) return Error{Errc::cancelled, "the deploy was given up"};
  auto bytes = archive.open();
  if (!bytes) return std::move(bytes).error();
  std::int64_t version = existing && !existing->removed_at ? next_version(*existing) : 1;
  auto source = state.sources.put(metadata.name, version, **bytes);
  if (!source) return std::move(source).error().during("store the source");
  auto written = state.record(caller, metadata, *plan, *source);
  if (!written) {
    state.forget({source->key});
    return std::move(written).error();
  }
  return state.await(waiter, *std::move(written), stop);
}

Result<DeployOutcome> Service::redeploy(const Caller& caller, const DeployMetadata& metadata,
                                        const Archive& archive, std::stop_token stop) {
  auto own = state_->own(caller, metadata.name);
  if (!own) return std::move(own).error();
  return deploy(caller, metadata, archive, std::move(stop));
}

Result<DeployOutcome> Service::rollback(const Caller& caller, const std::string& name,
                                        std::int64_t version, std::stop_token stop) {
  State& state = *state_;
  AppFollower::Waiter waiter(state.follower, name);
  std::vector<std::string> evicted;
  auto written = state.change(caller, name, [&](App& app) -> Status {
    auto at = std::find_if(app.versions.begin(), app.versions.end(),
                           [&](const AppVersion& v) { return v.version == version; });
    if (at == app.versions.end()) {
      return make_error("rollback_failed",
                        "version " + std::to_string(version) + " is not available for rollback");
    }
    AppVersion head = *at;
    if (Status known = state.check_template(head.template_name, false); !known) return known;
    head.version = next_version(app);
    head.timestamp = std::chrono::system_clock::now();
    head.rolled_back_from = version;
    app.spec.source = head.source_key;
    app.spec.template_name = head.template_name;
    app.spec.lane = head.lane;
    evicted = add_version(app, std::move(head), state.options.versions_kept);
    return success();
  });
  if (!written) return std::move(written).error();
  state.forget(evicted);
  return state.await(waiter, *std::move(written), stop);
}

}  // namespace vibed
