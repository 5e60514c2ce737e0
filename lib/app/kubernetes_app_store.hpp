// The records of apps as custom resources of a Kubernetes cluster.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "kube/client.hpp"
#include "vibed/app_store.hpp"

namespace vibed {

struct KubernetesAppStoreOptions {
  std::string space = "vibed-apps";
  std::chrono::milliseconds sync_timeout{60'000};  // for the first list
  std::chrono::milliseconds call_timeout{20'000};  // for each call, its retries included
  std::stop_token stop = {};                       // ends waits and calls early
};

// Beyond what every AppStore promises:
//
// Reads ask nobody: they are of an informer's copy, and of what was written here and its watch has
// not told yet. They see what was written through this store, and what others wrote a moment later.
// A conflict, or a name that is taken, reads the record, so that the next get() has the newest.
//
// Requests: one for each write that changes something; none for one that changes nothing. One more
// for the first status of a record that is not held yet (of the Go system, or made by hand), for
// remove(), for each conflict.
//
// A resource version is taken as the whole number that every API server gives out. That is needed
// to tell which of two states is the newer, as AppStore's users do; a write only sends back the one
// that was read. Being marked as removed adds one to the generation, as the API server has it.
class KubernetesAppStore : public AppStore {
 public:
  // Waits until watches have told everything that was written through this store before.
  virtual Status catch_up(std::stop_token stop, std::chrono::steady_clock::time_point deadline) = 0;

  // Since when nothing is heard of the API server, for readiness.
  virtual std::optional<std::chrono::steady_clock::time_point> deaf_since() const = 0;
};

// `client` outlives it. Waits for all records; fails as what the API server said last if there is
// no list in time, for example because the custom resource is not installed.
Result<std::unique_ptr<KubernetesAppStore>> open_kubernetes_app_store(
    kube::Client& client, const KubernetesAppStoreOptions& options);

}  // namespace vibed
