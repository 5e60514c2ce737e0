// What a controller tells of itself: readiness and metrics.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "api/api.hpp"
#include "observe/metrics.hpp"
#include "vibed/app_store.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed {

// A controller at one moment.
struct ControllerView {
  bool leads = false;
  std::string leader = {};  // who leads, if anybody is known to
  // For how long the lease could be neither read nor written, and why; nothing while it can.
  std::optional<std::chrono::seconds> lease_deaf = {};
  std::string lease_error = {};
  bool acts = false;         // leads, and knows what is in the cluster
  std::string trouble = {};  // why it leads and does not act
  // For how long nothing was heard of the cluster; nothing while it is.
  std::optional<std::chrono::seconds> records_deaf = {};
  std::optional<std::chrono::seconds> claims_deaf = {};
};

// Whose turn it is not is ready, if it would take over at once: nobody can who cannot reach the
// lease. Pure.
std::vector<api::Component> controller_components(const ControllerView& view,
                                                  std::chrono::seconds deaf_after);

// Puts what store and pool know now into `metrics`.
void measure(AppStore& apps, SandboxPool& pool, observe::Metrics& metrics);

}  // namespace vibed
