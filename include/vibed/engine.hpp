// Engine: vibed on one machine, whole: what `vibed up` runs and what an embedder links.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/config.hpp"
#include "vibed/export.hpp"
#include "vibed/result.hpp"
#include "vibed/stream.hpp"

namespace vibed {

struct EngineOptions {
  std::string
      data;  // the data folder, made if absent; at most 60 bytes long (unix sockets live in it)
  Config config = {};
  bool keep_apps = false;  // close() leaves apps and Caddy running, to be adopted by the next open
  // Where the process's own cgroup v2 is delegated to it alone (systemd: Delegate=yes), open()
  // moves the process into a leaf of it, so that sandboxes beside it can have limits. For a program
  // that is vibed; a guest leaves the process it lives in where it is.
  bool divide_cgroup = false;

  // Helpers; empty: from the install prefix, then beside the program, then PATH.
  std::string agent = {};      // vibed-agent
  std::string templates = {};  // the folder templates/
  // Where Caddy is looked for unless the config names it, as $PATH; then in the usual folders.
  std::string search_path = {};

  // Told what start-up is doing ("warming node-24"), on the caller's thread.
  std::function<void(std::string_view)> progress = {};
};

// One running vibed. All methods may be called from any thread at once. Closes in its destructor.
// Installs no signal handler and changes nothing of the process around it.
class VIBED_EXPORT Engine {
 public:
  // Opens the data folder, adopts what a killed predecessor left, starts Caddy, API and pools, and
  // returns when all of it answers. Reasons: data_in_use, data_too_new, path_too_long, bad_config.
  static Result<std::unique_ptr<Engine>> open(const EngineOptions& options);
  virtual ~Engine() = default;

  virtual std::string api_url() const = 0;   // "http://127.0.0.1:8080"
  virtual std::string apps_url() const = 0;  // "http://localhost:18080"

  // Deploys the folder or .tgz at `path`; `metadata_json` as in POST /v1/deploy. Returns the app as
  // GET /v1/apps/{id} gives it; Ready, or why not, within 10 s of waiting.
  virtual Result<std::string> deploy(const std::string& path, std::string_view metadata_json) = 0;
  // The same from archive bytes in memory.
  virtual Result<std::string> deploy_bytes(std::string_view archive,
                                           std::string_view metadata_json) = 0;

  virtual Result<std::string> list() = 0;                       // {"items":[App],"total"}
  virtual Result<std::string> get(const std::string& app) = 0;  // App
  virtual Status remove(const std::string& app) = 0;

  // Ends what was started (unless keep_apps) within 10 s. Idempotent; later calls fail with
  // `cancelled`.
  virtual Status close() = 0;
};

}  // namespace vibed
