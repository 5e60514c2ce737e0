// ClaimView: the sandboxes of an installation as a process sees them that changes none.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "kube/client.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::claims {

struct ClaimViewOptions {
  std::string space = "vibed-apps";  // of claims, pools and Services
  std::string install_secret;        // from which every agent's token is computed
  int agent_port = 0;                // 0: kAgentPort; others for tests
};

// Any number of processes may have one. observe() tells what the cluster knows: a sandbox that is
// ready is `bound`, whatever runs in it. Log lines are asked of the agents. Whatever would change
// something is `permission_denied`, and nobody is told of changes.
class ClaimView : public SandboxPool {
 public:
  // Waits until everything that is in the cluster is known. `deadline_exceeded`, `cancelled`.
  virtual Status wait_synced(const std::stop_token& stop,
                             std::chrono::steady_clock::time_point deadline) = 0;

  // Since when nothing is heard of the API server; nothing while all is well.
  virtual std::optional<std::chrono::steady_clock::time_point> deaf_since() const = 0;
};

// Begins to list and watch. `client` outlives it.
std::unique_ptr<ClaimView> open_claim_view(kube::Client& client, ClaimViewOptions options);

}  // namespace vibed::claims
