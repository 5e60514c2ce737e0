// The SandboxPool of one machine: bubblewrap sandboxes, some of each template kept warm.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/cgroup.hpp"
#include "vibed/config.hpp"
#include "vibed/sandbox_pool.hpp"
#include "vibed/source_store.hpp"
#include "vibed/template.hpp"

namespace vibed::sandbox {

struct LocalPoolOptions {
  std::string run_directory;    // "<data>/run": sandboxes/ and apps/ are made in it
  std::string cache_directory;  // "<data>/cache": compiled standard libraries
  std::vector<Template> templates;
  SourceStore* sources = nullptr;  // outlives the pool
  std::string agent;               // vibed-agent, the program
  std::string nginx_conf = {};     // templates/static-nginx/nginx.conf; empty: none
  Config::SandboxConfig sandbox = {};
  Config::Pool pool = {};
  // How long connections that are open may take to finish after a release.
  std::chrono::milliseconds drain_time{5'000};
  // Whether that app is still in the books: a sandbox found at open whose app is not is ended.
  std::function<bool(const std::string& app_uid)> known_app = {};
};

// A SandboxPool that is about real processes. Its destructor is stop(false).
class LocalPool : public SandboxPool {
 public:
  // Ends every sandbox within 10 s; with `keep_apps` those of apps stay and go on serving, to be
  // adopted by the next open. Idempotent. Calls of the interface fail with `stopping` afterwards.
  virtual void stop(bool keep_apps) = 0;

  // As a crash: every process stays as it is and nothing is tidied up. For tests of adoption.
  virtual void abandon() = 0;
};

// Adopts what a killed predecessor left in the run directory, ends what it cannot adopt, and begins
// to warm up. Fails when bubblewrap or the agent is missing or the path is too long
// (path_too_long). One pool a run directory at a time: the caller sees to that.
Result<std::unique_ptr<LocalPool>> open_local_sandbox_pool(LocalPoolOptions options);

// The program bubblewrap: `configured`, or found in PATH; `not_found` says how to install it.
Result<std::string> find_bubblewrap(const std::string& configured);

}  // namespace vibed::sandbox
