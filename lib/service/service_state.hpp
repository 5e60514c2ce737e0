// What a Service is made of; shared by service.cpp and deploy.cpp.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "service/app_follower.hpp"
#include "service/log_slots.hpp"
#include "service/service.hpp"

namespace vibed {

// How often a spec is written again when somebody else wrote first. Status writes of a busy
// lifecycle conflict too, so a few dozen in a row are no sign of trouble.
constexpr int kAttempts = 200;

// The archive of a deploy, read once and understood.
struct DeployPlan {
  std::string lane;
  std::string template_name;
};

struct Service::State {
  State(AppStore& apps_in, SourceStore& sources_in, SandboxPool& pool_in, std::string space_in,
        ServiceOptions options_in)
      : apps(apps_in),
        sources(sources_in),
        pool(pool_in),
        space(std::move(space_in)),
        options(options_in),
        follower(apps_in),
        log_slots(
            std::make_shared<LogSlots>(options_in.log_streams_per_user, options_in.log_streams)) {}

  using Edit = std::function<Status(App&)>;

  // The caller's app; somebody else's is `not_found` too.
  Result<App> own(const Caller& caller, const std::string& name);

  // Reads the caller's app, edits it and writes it, again when somebody else wrote first. What
  // `edit` leaves as it was is not written.
  Result<App> change(const Caller& caller, const std::string& name, const Edit& edit);

  // Marks the caller's app as removed; returns it with all its sources.
  Result<App> mark_removed(const Caller& caller, const std::string& name);

  // Checks what can be checked before anything is stored.
  Result<DeployPlan> plan(const DeployMetadata& metadata, const Archive& archive);
  Status check_template(const std::string& name, bool named_by_caller);

  // Whether the caller may deploy under that name: nothing is there, or it is theirs.
  Status check_owner(const Caller& caller, const std::string& name);

  // The record of the app after `metadata` and `source`, made or replaced.
  Result<App> record(const Caller& caller, const DeployMetadata& metadata, const DeployPlan& plan,
                     const StoredSource& source);

  // Waits for what becomes of the generation of `written`.
  Result<DeployOutcome> await(AppFollower::Waiter& waiter, App written,
                              const std::stop_token& stop);
  // Waits until the app with that uid is gone: true; false when the budget is over.
  Result<bool> await_gone(AppFollower::Waiter& waiter, const std::string& name,
                          const std::string& uid, const std::stop_token& stop);

  // Serialises what this service writes to the spec of one app, so that whoever marks it as removed
  // knows all of its sources. Other processes are kept apart by resource versions alone; what they
  // leave is for sweep_sources.
  std::mutex& writer_of(const std::string& name) {
    return writers[std::hash<std::string>()(name) % writers.size()];
  }

  // Best effort: what stays is removed by sweep_sources.
  void forget(const std::vector<std::string>& keys);

  AppStore& apps;
  SourceStore& sources;
  SandboxPool& pool;
  const std::string space;
  const ServiceOptions options;
  AppFollower follower;
  const std::shared_ptr<LogSlots> log_slots;
  std::array<std::mutex, 64> writers;  // see writer_of
};

}  // namespace vibed
