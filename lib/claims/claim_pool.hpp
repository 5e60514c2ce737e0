// A SandboxPool made of the SandboxClaims of agent-sandbox (v1beta1).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "claims/spares.hpp"
#include "kube/client.hpp"
#include "vibed/sandbox_pool.hpp"
#include "vibed/source_store.hpp"

namespace vibed::claims {

struct ClaimPoolOptions {
  std::string space = "vibed-apps";  // of claims, pools and Services
  std::string install_secret;        // from which every agent's token is computed
  SpareRules spares = {};
  // For how long the URL is good that an agent pulls its source with; 0: sources are pushed.
  std::chrono::seconds pull_for{0};
  std::chrono::milliseconds drain_time{30'000};  // for open connections of a released sandbox
  std::chrono::milliseconds expose_timeout{10'000};
  std::chrono::seconds bind_timeout{120};  // after which a claim that is not ready has failed
  // Claims of a template that may wait for a pod at once. Apps beyond stand in line, owners take
  // turns (Line).
  int booting_most = 32;
  int agent_port = 0;    // 0: kAgentPort; others for tests
  bool validate = true;  // agents of spares are asked whether their image will do
};

// A pool whose work can be stopped while its sandboxes run on.
class ClaimPool : public SandboxPool {
 public:
  // Waits until everything that is in the cluster is known, and for three seconds at most until
  // the agents of sandboxes that are in use have said what they run. `deadline_exceeded`,
  // `cancelled`.
  virtual Status wait_synced(const std::stop_token& stop,
                             std::chrono::steady_clock::time_point deadline) = 0;

  // Since when nothing is heard of the API server; nothing while all is well.
  virtual std::optional<std::chrono::steady_clock::time_point> deaf_since() const = 0;
};

// Begins to list and watch. Claims of earlier processes are found by their labels; what runs in
// their sandboxes is asked of the agents. `client` and `sources` outlive it. Of all processes of an
// installation only the one that leads may have one: spares are counted, not shared. What is said
// against the image of a spare (validation.hpp) closes its template until another one says better.
//
// Beyond what SandboxPool says: a claim finds `template_missing` where no SandboxWarmPool has that
// name or label; a full quota is pool_exhausted. A pod that was replaced, or whose agent no longer
// knows the generation that was injected, is `gone`. expose() waits for the EndpointSlice.
Result<std::unique_ptr<ClaimPool>> open_claim_pool(kube::Client& client, SourceStore& sources,
                                                   ClaimPoolOptions options);

}  // namespace vibed::claims
