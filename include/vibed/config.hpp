// Config: vibed.yaml and the environment as one value. Keys are those of docs/configuration.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

struct Config {
  std::string organization;  // organization.name

  struct Server {
    std::string http_addr = "127.0.0.1:8080";  // server.httpAddr
    std::string base_url;                      // server.baseURL
    std::string log_format = "text";           // text | json
    std::string log_level = "info";            // debug | info | warn | error
  } server;

  struct ApiKey {
    std::string key;  // as it is sent; load_config has looked up "env:NAME" and "file:/path"
    std::string name;
    std::string role = "user";  // admin | user
  };

  struct Auth {
    bool enabled = false;                      // auth.enabled
    std::string mode = "apikey";               // auth.mode: apikey | oauth
    std::vector<ApiKey> api_keys;              // auth.apiKeys
    std::vector<std::string> trusted_proxies;  // auth.trustedProxies: networks
    bool dev_insecure = false;                 // auth.devInsecure: off, and reachable for others
  } auth;

  struct Deployment {
    std::string apps_namespace = "vibed-apps";  // deployment.appsNamespace
    std::chrono::seconds ready_timeout{60};     // deployment.readyTimeout: injected → listening
  } deployment;

  struct Apps {
    std::string listen = "127.0.0.1:18080";  // apps.listen: where Caddy serves the apps
    std::string domain = "localhost";        // apps.domain: <label>.<domain>
  } apps;

  struct Route {
    std::string layout = "wildcard";  // route.layout: wildcard | per-app
    std::string caddy;                // route.caddy: the program; empty: found in PATH
  } route;

  struct Storage {
    std::string backend = "served";  // storage.tarball.backend: served | s3
    std::string delivery = "push";   // storage.tarball.delivery: push | pull
    std::string served_base_path;    // storage.tarball.served.basePath; empty: the data folder's
    std::string served_base_url;     // storage.tarball.served.publicBaseURL
    std::string s3_endpoint;         // storage.tarball.s3.endpoint; empty: AWS's
    std::string s3_bucket;           // storage.tarball.s3.bucket
    std::string s3_region;           // storage.tarball.s3.region
    std::string s3_access_key;       // storage.tarball.s3.accessKey; empty: AWS's own chain
    std::string s3_secret_key;       // storage.tarball.s3.secretKey
    std::string s3_prefix;           // storage.tarball.s3.prefix
    std::string s3_addressing = "auto";            // storage.tarball.s3.addressing
    std::chrono::seconds s3_presign_ttl{15 * 60};  // storage.tarball.s3.presignTTL
  } storage;

  struct Pool {
    std::int64_t memory = 0;            // pool.memory in bytes; 0: 10 % of the machine's
    int size = 2;                       // pool.size: warm sandboxes a template
    std::map<std::string, int> sizes;   // pool.sizes.<template>
    std::vector<std::string> disabled;  // pool.disabled: templates not offered
  } pool;

  struct SandboxConfig {
    std::int64_t uid_first = 0;  // sandbox.uidRange "600000-665535", used as root; 0: that default
    std::int64_t uid_last = 0;
    std::string bubblewrap;  // sandbox.bubblewrap: the program; empty: found in PATH
    std::int64_t memory = 512LL * 1024 * 1024;      // sandbox.memory, bytes
    std::int64_t workspace = 1024LL * 1024 * 1024;  // sandbox.workspace, bytes of /workspace
    std::int64_t tmp = 64LL * 1024 * 1024;          // sandbox.tmp, bytes of /tmp
    int processes = 256;                            // sandbox.processes
    double cpus = 1.0;                              // sandbox.cpus
  } sandbox;

  struct Limits {
    std::int64_t max_total_file_size = 52'428'800;  // limits.maxTotalFileSize
    int max_concurrent_log_streams_per_user = 10;
    int max_concurrent_log_streams_global = 100;
  } limits;
};

// Reads YAML text. An unknown key is `invalid_argument` (bad_config) that names it, its line and
// the nearest known key; so is a value of the wrong type or out of its range. Keys of the Go system
// that have no meaning here yet are accepted and listed in `ignored` when it is given.
VIBED_EXPORT Result<Config> parse_config(std::string_view yaml,
                                         std::vector<std::string>* ignored = nullptr);

// parse_config of a file, with `environment` (name → value) over it. An empty path: defaults.
VIBED_EXPORT Result<Config> load_config(const std::string& path,
                                        const std::map<std::string, std::string>& environment);

}  // namespace vibed
