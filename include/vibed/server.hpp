// Server: the API of vibed on Kubernetes: what `vibed serve` runs and what an embedder links.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "vibed/cluster.hpp"
#include "vibed/config.hpp"
#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

struct ServerOptions {
  ClusterAccess cluster = {};  // its environment is also the source store's: AWS_*
  Config config = {};          // server, auth, deployment, storage, limits
  // At least 32 bytes, the same for every process of the installation: what opens agents and
  // sources is made of it.
  std::string install_secret = {};
  std::string data = "/data/vibed";    // uploads on their way in; sources, if they are `served`
  std::string waiting_room = ":8090";  // where Caddy sends what no app answers; "" or "0": nowhere
  std::chrono::seconds sync_timeout{60};  // for the first look at the cluster
  std::chrono::seconds deaf_after{20};    // without a word from the cluster it is not ready
  int agent_port = 9000;                  // where the agents in pods listen
};

// One running API server; any number of them may serve one installation. All methods may be called
// from any thread at once. Closes in its destructor; apps go on running. Installs no signal
// handler.
class VIBED_EXPORT Server {
 public:
  // Returns when everything answers. Reasons: bad_config, bad_kubeconfig, address_in_use, those of
  // open_s3_source_store; `deadline_exceeded` or `not_found` with what the cluster said.
  static Result<std::unique_ptr<Server>> open(const ServerOptions& options);
  virtual ~Server() = default;

  virtual std::string api_address() const = 0;           // "127.0.0.1:8080"
  virtual std::string waiting_room_address() const = 0;  // empty: not served

  // Ends requests under way within 10 s and stops. Idempotent.
  virtual void close() = 0;
};

}  // namespace vibed
