// Router: the part of vibed on Kubernetes that keeps a Caddy configured beside it: what
// `vibed-router` runs and what an embedder links.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "vibed/cluster.hpp"
#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

struct RouterOptions {
  // The folder in which Caddy listens for its admin API as caddy-admin.sock, and nobody else does.
  std::string run = "/run/vibed";
  std::string listen = ":8080";               // where Caddy serves the apps
  std::string domain = "vibed.example.com";   // apps are <label>.<domain>
  std::string pool_namespace = "vibed-apps";  // of the apps' Services
  std::string cluster_domain = "cluster.local";
  std::string waiting_room = {};    // host:port of vibed's, where no app answers
  std::string layout = "wildcard";  // or "per-app", which reads records
  // Caddy's app `tls` as JSON, with a certificate for *.<domain>; empty: plain http.
  std::string tls = {};
  std::string storage = {};   // Caddy's module for what it was issued, as JSON; empty: its folder
  std::string redirect = {};  // with tls: where http is served, only to send visitors to https
  int https_port = 443;       // of the URLs that they are sent to
  // For so long an app that did not take the first dial is tried at its sandbox and its Service.
  // kube-proxy passes on at most one change of endpoints a second (its minSyncPeriod): until then
  // it leads to nobody, or to the pod before, which refuses. Positive.
  std::chrono::milliseconds try_duration{3'000};

  ClusterAccess cluster = {};             // of the per-app layout
  std::string metrics_address = ":8083";  // /metrics; empty or "0": not served
  std::string probes_address = ":8084";   // /healthz and /readyz; the same
  std::chrono::seconds deaf_after{20};    // without a word from the cluster it is not ready
};

// One running router. All methods may be called from any thread at once. Closes in its destructor;
// Caddy goes on serving. Installs no signal handler.
class VIBED_EXPORT Router {
 public:
  // Returns at once in the wildcard layout: a Caddy that is not there yet is configured when it
  // comes. Reasons: bad_config, bad_kubeconfig.
  static Result<std::unique_ptr<Router>> open(const RouterOptions& options);
  virtual ~Router() = default;

  virtual std::string metrics_address() const = 0;  // "[::]:8083"; empty: not served
  virtual std::string probes_address() const = 0;

  virtual void close() = 0;  // idempotent
};

// What the Caddy beside it is started with, as JSON: nothing but the admin API in that folder.
VIBED_EXPORT std::string caddy_bootstrap(const std::string& run);

}  // namespace vibed
