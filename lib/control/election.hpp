// Election: of all processes that start one for the same Lease, one at a time leads.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "control/lease.hpp"
#include "kube/client.hpp"

namespace vibed::control {

struct ElectionOptions {
  kube::ObjectKey lease;
  std::string identity;  // of this process and no other, ever
  LeaseTimes times = {};
  // What the leader does, on a thread of its own. Its stop is requested when it no longer leads: at
  // the latest when the renew deadline has passed, before anybody else can take the lease. When it
  // returns by itself the lease is released. Then it is called again if we lead again.
  std::function<void(std::stop_token)> lead;
  std::function<void(const std::string&)> on_leader = {};  // told of each new leader's identity
  std::function<double()> random = {};                     // from 0 to 1; empty: random
};

// Why nobody can say who leads.
struct ElectionTrouble {
  std::chrono::steady_clock::time_point since;
  std::string error;  // of the last attempt
};

// All methods may be called from any thread at once.
class Election {
 public:
  // `client` outlives it.
  static std::unique_ptr<Election> start(kube::Client& client, ElectionOptions options);

  // Stops `lead`, waits for its end while still renewing, and releases the lease.
  virtual ~Election() = default;

  // Whether we lead at this moment, by the clock: right before an action that two must not take.
  virtual bool leads() const = 0;

  // Since when the lease can be neither read nor written; nothing while it can.
  virtual std::optional<ElectionTrouble> trouble() const = 0;
};

}  // namespace vibed::control
