// The clusters that the records of apps are tested in: the fake API server, and the real one with
// the custom resource of the chart.
#pragma once

#include <memory>
#include <string>

#include "app/kubernetes_app_store.hpp"
#include "kube/fake_api.hpp"
#include "kube/real_api.hpp"

namespace vibed::testing {

struct KubernetesWorld {
  std::unique_ptr<FakeApi> fake;
  std::unique_ptr<kube::Client> client;
  std::unique_ptr<KubernetesAppStore> store;

  // Another one on the same records, as of another process.
  std::unique_ptr<KubernetesAppStore> open() const;
};

std::unique_ptr<KubernetesWorld> fake_cluster();
// Null where there is none, and then `why` says so. Without the apps of earlier tests.
std::unique_ptr<KubernetesWorld> real_cluster(std::string& why);

std::shared_ptr<AppStore> fake_cluster_store();
std::shared_ptr<AppStore> real_cluster_store();  // null: there is none

// Waits until the watches of a KubernetesAppStore can tell what was written through it.
void settle(AppStore& store);

}  // namespace vibed::testing
