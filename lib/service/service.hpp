// Service: what vibed does for a caller: deploy, list, logs, versions, rollback. Every face calls
// it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "auth/caller.hpp"
#include "vibed/app_store.hpp"
#include "vibed/archive.hpp"
#include "vibed/classifier.hpp"
#include "vibed/result.hpp"
#include "vibed/sandbox_pool.hpp"
#include "vibed/source_store.hpp"

namespace vibed {

// The metadata of a deploy; everything but the name is optional. A deploy replaces the whole spec.
struct DeployMetadata {
  std::string name;
  std::optional<Lane> lane;
  std::string template_name;
  std::string entrypoint;
  std::vector<EnvVar> env;
  std::vector<std::string> allowed_hosts;
  std::string ttl;
};

// From JSON as POST /v1/deploy has it: {"name","runtime":{"lane","template","entrypoint"},
// "egress":{"allowed_hosts"},"env":[{"name","value"}],"ttl"}. Unknown keys are ignored, an empty
// text is {}. At most 1 MiB, 256 variables of at most 120 KiB each and 256 KiB in all, 256 hosts.
// Reasons: bad_metadata, env_too_large, missing_name, bad_name. `default_name`: of a redeploy; wins
// over the JSON's.
Result<DeployMetadata> parse_deploy_metadata(std::string_view json,
                                             const std::string& default_name);

// What became of a deploy within the budget.
struct DeployOutcome {
  App app;             // as last seen
  bool ready = false;  // its newest generation serves: 200; else 202
};

struct ServiceOptions {
  std::chrono::milliseconds deploy_budget{10'000};  // of waiting after the record was written
  std::chrono::milliseconds remove_budget{10'000};  // of waiting for a removed app to be gone
  ArchiveLimits limits = {};
  int versions_kept = 20;
  int log_streams_per_user = 10;
  int log_streams = 100;
};

// All methods may be called from any thread at once.
class Service {
 public:
  // The parts outlive the service. `space` is that of `apps`.
  Service(AppStore& apps, SourceStore& sources, SandboxPool& pool, std::string space,
          ServiceOptions options = {});
  ~Service();

  // `archive` gives `size` bytes of tar.gz and is read twice: `open` opens it anew each time.
  // Order: name → archive → classify → template known and available → ownership → store → record →
  // wait. Nothing is stored when a check fails. Reasons: those of list_archive, bad_name,
  // deploy_failed (an empty source, or removed while waiting), payload_too_large, unknown_template,
  // template_unavailable, build_required, storage_full; `permission_denied` for somebody else's
  // app. Waiting ends when the generation just written serves or has failed, not when an older one
  // does.
  struct Archive {
    std::function<Result<std::unique_ptr<ByteSource>>()> open;
    std::uint64_t size = 0;
  };
  Result<DeployOutcome> deploy(const Caller& caller, const DeployMetadata& metadata,
                               const Archive& archive, std::stop_token stop);
  // As deploy, but `not_found` unless the caller has such an app.
  Result<DeployOutcome> redeploy(const Caller& caller, const DeployMetadata& metadata,
                                 const Archive& archive, std::stop_token stop);

  Result<AppPage> list(const Caller& caller, std::int64_t limit, std::int64_t offset);
  Result<App> get(const Caller& caller, const std::string& name);
  // Marks the app as removed and forgets its sources. Returns when the record is gone or the
  // remove_budget has passed.
  Status remove(const Caller& caller, const std::string& name, std::stop_token stop);
  Result<App> suspend(const Caller& caller, const std::string& name);
  Result<App> resume(const Caller& caller, const std::string& name);
  // Newest first.
  Result<std::vector<AppVersion>> versions(const Caller& caller, const std::string& name);
  Result<DeployOutcome> rollback(const Caller& caller, const std::string& name,
                                 std::int64_t version, std::stop_token stop);
  // The lines of the app's serving sandbox, else of its newest. `not_found`; `resource_exhausted`
  // with too_many_log_streams. A slot is held until the stream is destroyed.
  Result<std::unique_ptr<LogStream>> logs(const Caller& caller, const std::string& name,
                                          const LogRequest& request);
  std::vector<TemplateStatus> templates();

  // For metrics: how many apps there are, whoever owns them.
  std::map<std::string, int> apps_by_template();

  // For the waiting room: the app behind a label, whoever owns it.
  Result<App> find_by_label(const std::string& label);
  // And where the sandbox that serves it is dialled by itself, past its stable upstream: host:port.
  // Empty where nobody knows, and on one machine.
  std::string address_of(const App& app);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vibed
