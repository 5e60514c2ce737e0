// SandboxPool hands out isolated, already booted sandboxes, one per generation of an app.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "vibed/app.hpp"
#include "vibed/export.hpp"
#include "vibed/result.hpp"
#include "vibed/source_store.hpp"

namespace vibed {

enum class SandboxPhase {
  pending,    // claimed, not yet booted
  bound,      // booted, nothing injected
  starting,   // injected, the app does not listen yet
  listening,  // the app accepts connections
  failed,     // the app or the injection failed for good: reason, message, log_tail say why
  gone,       // the sandbox died or was released
};

// What the pool knows of one claimed sandbox.
struct Sandbox {
  std::string id;
  std::string app;  // its name
  std::string app_uid;
  std::int64_t generation = 0;
  std::string template_name;
  SandboxPhase phase = SandboxPhase::pending;
  bool exposed = false;  // the app's stable upstream leads here
  std::string reason;    // CamelCase, of a failure: InjectFailed, AppExited, CrashLoop …
  std::string message;   // for a person
  std::vector<std::string> log_tail;  // the app's own last lines, of a failure
  std::string start_command;          // with its reason, once known
  std::string runtime_version;
  std::string upstream;      // what Caddy dials once exposed
  std::string address = {};  // host:port of this one alone, where it has one: in a cluster, booted
  int port = 0;              // where the app listens inside, once listening
  Time injected_at = {};     // when phase became starting
};

struct SandboxRequest {
  std::string app;
  std::string app_uid;
  std::string label;
  std::int64_t generation = 0;
  std::string template_name;
  std::string owner = {};  // of the app; where apps have to wait, owners take turns
};

// What goes into a sandbox.
struct Injection {
  std::string source;  // key in the SourceStore the pool was opened with
  std::string entrypoint;
  std::vector<EnvVar> env;
};

struct LogLine {
  Time time = {};
  std::string stream;  // "stdout", "stderr" or "vibed" (the agent's own remarks)
  std::string text;    // without the newline
};

// Lines of one app, oldest first. One thread at a time.
class VIBED_EXPORT LogStream {
 public:
  virtual ~LogStream() = default;

  // The next line; nothing at the end (never, when following, unless the sandbox ends).
  // `deadline_exceeded` and `cancelled` leave the stream usable.
  virtual Result<std::optional<LogLine>> next(std::stop_token stop,
                                              std::chrono::steady_clock::time_point deadline) = 0;
};

struct LogRequest {
  int tail = 200;  // lines to begin with
  bool follow = false;
};

struct TemplateStatus {
  std::string name;
  std::string lane;
  std::string description;
  std::string runtime_version;  // what really runs; empty when unavailable
  int size = 0;                 // sandboxes wanted warm
  int ready = 0;                // of these, booted and unclaimed
  int claimed = 0;
  int waiting = 0;          // apps in line for one, beyond those whose claim boots
  std::int64_t hits = 0;    // claims since the pool was opened that a warm sandbox answered at once
  std::int64_t misses = 0;  // and those that had to wait for a boot
  bool available = false;
  std::string message;  // why not available and how to mend it
};

// All methods may be called from any thread at once, and are idempotent unless they say otherwise.
class VIBED_EXPORT SandboxPool {
 public:
  virtual ~SandboxPool() = default;

  // The sandbox of that app uid and generation, claimed now if there is none (one that is `gone`
  // does not count). Returns at once: pending or bound, or what it has become since. `not_found`
  // with the reason template_missing, `unavailable` with template_unavailable, `resource_exhausted`
  // with pool_exhausted (retry later).
  virtual Result<Sandbox> claim(const SandboxRequest& request) = 0;

  // Starts to bring the source into a bound sandbox and returns; what becomes of it shows in
  // observe(). A second call for the same sandbox does nothing: a sandbox is injected once.
  virtual Status inject(const std::string& id, const Injection& injection) = 0;

  // Moves the stable upstream of `label` to sandbox `id`, atomically, and returns when the sandbox
  // it led to before takes no new connection. `conflict` if `id` does not listen.
  virtual Status expose(const std::string& label, const std::string& id) = 0;

  // Ends a sandbox, or forgets one that is gone: its upstream goes first, open connections may
  // finish (drain time), then every process in it. Returns at once; it is no longer observed.
  virtual Status release(const std::string& id) = 0;

  // The claimed sandboxes of one app, or of all; ordered by generation.
  virtual std::vector<Sandbox> observe(const std::string& app_uid) = 0;
  virtual std::vector<Sandbox> observe_all() = 0;

  // The lines of that sandbox's app.
  virtual Result<std::unique_ptr<LogStream>> logs(const std::string& id,
                                                  const LogRequest& request) = 0;

  virtual std::vector<TemplateStatus> templates() = 0;

  // `on_change(app_name)` is called, on a thread of the pool, whenever a sandbox of that app has
  // changed; it must be quick. One subscriber; an empty function unsubscribes, and when that
  // returns the old one is not running and never will again.
  virtual void subscribe(std::function<void(const std::string& app)> on_change) = 0;
};

}  // namespace vibed
