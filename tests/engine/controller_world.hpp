// Controllers on a fake cluster whose agents are a few lines each, and the API server's side of the
// records.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/kubernetes_app_store.hpp"
#include "claims/fake_cluster.hpp"
#include "fetch/fetch.hpp"
#include "support/temp_dir.hpp"
#include "vibed/controller.hpp"

namespace vibed {

// A kubeconfig for `access` in `file`.
void write_kubeconfig(const std::string& file, const kube::Access& access);

class ControllerTest : public ::testing::Test {
  // First: the API server's threads use these to its end.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string held_;                   // guarded by mutex_
  std::map<std::string, int> writes_;  // by token; the same

 protected:
  static constexpr const char* kTemplate = "python-313";

  void SetUp() override;
  void TearDown() override;

  // Known to the API server, and to the tests, by its name.
  ControllerOptions options(const std::string& name);
  std::unique_ptr<Controller> open(const std::string& name);
  std::unique_ptr<Controller> open(const ControllerOptions& options);

  void deploy(const std::string& app, const std::string& way = "listen");
  void redeploy(const std::string& app, const std::string& way = "listen");
  // The app once it is in that phase with its newest generation, or as it is at last.
  App await(const std::string& app, Phase phase);
  kube::Json service_of(const std::string& app);
  std::vector<kube::Json> claims_of(const std::string& app);

  bool until(const std::function<bool()>& true_now);
  // The status and body of a GET.
  std::pair<int, std::string> get(const std::string& address, const std::string& path);

  // Requests of `name` that write, leases aside.
  int writes_of(const std::string& name);
  // Requests of `name` for leases wait as long as this is true.
  void hold_leases_of(const std::string& name);
  void let_leases_go();

  claims::FakeCluster cluster_;
  testing::TempDir folder_;
  std::unique_ptr<KubernetesAppStore> apps_;
  std::unique_ptr<fetch::Client> http_ = fetch::make_client();
};

}  // namespace vibed
