// App: the one record of what should run and what does, as the VibedApp custom resource has it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

// Whole seconds on the wire (RFC 3339, UTC).
using Time = std::chrono::system_clock::time_point;

struct EnvVar {
  std::string name;
  std::string value;
  friend bool operator==(const EnvVar&, const EnvVar&) = default;
};

// Written by the service, never by the lifecycle.
struct AppSpec {
  std::string owner;
  std::string source;   // JSON source.tarballRef: a SourceStore key (or, from old records, a URL)
  std::string git_ref;  // JSON source.gitRef: read and kept, not supported
  std::string lane;     // "fast" or "general"
  std::string template_name;
  std::string entrypoint;
  std::vector<EnvVar> env;
  std::vector<std::string> allowed_hosts;
  std::string cpu = "500m";
  std::string memory = "256Mi";
  std::string ttl = "30m";
  bool suspended = false;
  friend bool operator==(const AppSpec&, const AppSpec&) = default;
};

enum class Phase { none, pending, claiming, starting, ready, suspended, failed };

// A metav1.Condition. Types: SourceValid, Ready, Progressing.
struct Condition {
  std::string type;
  bool status = false;  // JSON "True" or "False"
  std::string reason;   // a CamelCase word
  std::string message;
  Time last_transition_time = {};
  std::int64_t observed_generation = 0;
  friend bool operator==(const Condition&, const Condition&) = default;
};

// Written by the lifecycle, never by the service. All of it can be recomputed.
struct AppStatus {
  Phase phase = Phase::none;
  std::string url;
  std::string sandbox_ref;
  std::string pod_ip;
  std::string route_target;
  std::string runtime_version;  // what really runs, e.g. "node v20.20.2"
  std::string start_command;    // and why: "node server.js (package.json: main)"
  std::optional<Time> last_deployed_at;
  std::int64_t observed_generation = 0;  // of the serving sandbox; 0: none has served
  std::vector<Condition> conditions;
  friend bool operator==(const AppStatus&, const AppStatus&) = default;
};

// One retained source of an app (annotation vibed.dev/versions, oldest first).
struct AppVersion {
  std::int64_t version = 0;
  Time timestamp = {};
  std::string template_name;
  std::string lane;
  std::string source_hash;  // SHA-256 of the uploaded bytes, hex
  std::string source_key;
  std::int64_t rolled_back_from = 0;  // 0: not a rollback
  friend bool operator==(const AppVersion&, const AppVersion&) = default;
};

struct App {
  std::string name;   // valid by is_app_name
  std::string space;  // JSON metadata.namespace: "vibed-apps"
  std::string uid;    // new for every create, also under an old name
  std::int64_t generation = 0;
  std::int64_t resource_version = 0;  // grows with every write to any app of the store
  Time created_at = {};
  std::optional<Time> removed_at;  // JSON metadata.deletionTimestamp: marked, being released
  std::map<std::string, std::string> labels;
  std::vector<AppVersion> versions;  // written with the spec
  AppSpec spec;
  AppStatus status;
  friend bool operator==(const App&, const App&) = default;
};

// ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ and at most 63 characters.
VIBED_EXPORT bool is_app_name(std::string_view name);

// The label of the app's URL: the first 12 characters of lower-case base32hex over the first 8
// bytes of SHA-256("<space>/<name>"). The same as in the Go system, so URLs survive a migration.
VIBED_EXPORT std::string app_label(std::string_view space, std::string_view name);

// The whole VibedApp object as JSON, and back. Unknown fields are ignored; a missing or wrongly
// typed required one is `invalid_argument`.
VIBED_EXPORT std::string to_json(const App& app);
VIBED_EXPORT Result<App> app_from_json(std::string_view json);

VIBED_EXPORT std::string_view to_string(Phase phase);  // "Ready"; "" for none
VIBED_EXPORT Result<Phase> parse_phase(std::string_view text);

// The condition of that type, or nullptr.
VIBED_EXPORT const Condition* find_condition(const AppStatus& status, std::string_view type);

// Sets or replaces the condition of condition.type. last_transition_time moves to `now` only when
// the status flips; the order of the list is the order of first insertion.
VIBED_EXPORT void set_condition(AppStatus& status, Condition condition, Time now);

}  // namespace vibed
