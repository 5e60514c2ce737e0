// Controller: the part of vibed on Kubernetes that gives every app its sandbox: what
// `vibed-controller` runs and what an embedder links.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "vibed/cluster.hpp"
#include "vibed/export.hpp"
#include "vibed/result.hpp"
#include "vibed/source_store.hpp"

namespace vibed {

struct ControllerOptions {
  ClusterAccess cluster = {};
  std::string pool_namespace = "vibed-apps";  // of records, claims, pools and Services
  // At least 32 bytes, the same for every process of the installation: tokens of agents are made of
  // it.
  std::string install_secret = {};

  // Where sources are read. Null: from the API at `source_url`,
  // "http://vibed.vibed-system.svc:8080".
  std::shared_ptr<SourceStore> sources = nullptr;
  std::string source_url = {};
  // For how long the URL is good that a sandbox pulls its source with; 0: it is pushed into the
  // sandbox, which then needs no way to where sources are.
  std::chrono::seconds pull_for{0};

  // An app's URL: <url_scheme>://<label>.<domain>[:<url_port>].
  std::string domain = "vibed.example.com";
  std::string url_scheme = "https";          // or http
  int url_port = 0;                          // 0: none in the URL
  std::chrono::seconds start_timeout{60};    // from injected to listening
  int workers = 8;                           // apps moved at once
  int spares_least = 1;                      // claims of each template kept bound ahead of any app
  int spares_most = 10;                      // the same when there is demand
  int booting_most = 32;                     // claims of a template that may wait for a pod at once
  std::chrono::seconds spare_lifetime{600};  // after which a spare ends that nobody looks after

  std::string metrics_address = ":8081";  // /metrics; empty or "0": not served
  std::string probes_address = ":8082";   // /healthz and /readyz; the same
  std::chrono::seconds deaf_after{20};    // without a word from the cluster it is not ready

  // Of several controllers with the same Lease, vibed-controller.vibed.dev, one acts at a time.
  bool leader_elect = false;
  std::string lease_namespace = {};  // empty: the pod's or the kubeconfig's
  std::string identity = {};         // empty: the host's name and a random part
  std::chrono::milliseconds lease_duration{15'000};
  std::chrono::milliseconds renew_deadline{10'000};
  std::chrono::milliseconds retry_period{2'000};

  int agent_port = 9000;  // where the agents in pods listen
};

// One running controller. All methods may be called from any thread at once. Closes in its
// destructor; apps go on running. Installs no signal handler.
class VIBED_EXPORT Controller {
 public:
  // Returns when it takes part: it leads or waits for its turn. What the cluster lacks is no error
  // here but said by /readyz and the log, and tried again. Reasons: bad_config, bad_kubeconfig.
  static Result<std::unique_ptr<Controller>> open(const ControllerOptions& options);
  virtual ~Controller() = default;

  virtual std::string metrics_address() const = 0;  // "[::]:8081"; empty: not served
  virtual std::string probes_address() const = 0;

  // Whether this process may act at this moment.
  virtual bool leads() const = 0;

  // Finishes what is under way, releases the Lease and stops. Idempotent.
  virtual void close() = 0;
};

struct InstallCrdsOptions {
  ClusterAccess cluster = {};
  std::string folder;  // every *.yaml of it is one CustomResourceDefinition
  std::chrono::seconds timeout{60};
};

// Brings the definitions of a folder into the cluster, new ones and newer ones, by server-side
// apply, and waits until each is served. Objects that are there stay. Returns the names.
VIBED_EXPORT Result<std::vector<std::string>> install_crds(const InstallCrdsOptions& options);

}  // namespace vibed
