// FakeCluster: an agent-sandbox controller, pods and EndpointSlices on a fake API server, with
// agents of a few lines instead of sandboxes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "control/informer.hpp"
#include "kube/client.hpp"
#include "kube/fake_api.hpp"
#include "process/spawn.hpp"

namespace vibed::claims {

// Any thread.
class FakeCluster {
 public:
  FakeCluster();
  ~FakeCluster();

  testing::FakeApi& api() { return api_; }
  kube::Client& client() { return *client_; }
  static constexpr char kSpace[] = "apps";
  int agent_port() const { return agent_port_; }

  // A SandboxWarmPool of that name, which is its template's too.
  void add_pool(const std::string& name, int replicas, const std::string& unavailable = "");

  // Claims stay unbound as long as it is true.
  void hold(bool hold);
  // EndpointSlices stay as they are as long as it is true, as while their controller is away.
  void slices_are_late(bool late);
  // What agents from now on say of themselves beyond the usual, as members of a JSON object.
  void set_agent_info(const std::string& json);
  // The address that the next pod gets although nobody listens there.
  void next_pod_is_deaf() { deaf_ = true; }
  // Ends the agent of a claim's pod, as if its container had ended; `fails`: and says so.
  void kill_pod(const std::string& claim, bool fails);
  // A new agent at the same address, as a kubelet restarts a container.
  void restart_container(const std::string& claim);
  // The pod's uid, "" while there is none.
  std::string pod_of(const std::string& claim);

  kube::Json claim(const std::string& name);
  // As agent-sandbox: `status` is merged into what there is.
  void write_status(const std::string& claim, const kube::Json& status);
  int count_claims();

 private:
  struct Pod {
    std::string name;
    std::string address;
    Process agent;
    bool deaf = false;
  };
  void run(const std::stop_token& stop);
  void bind(const kube::Json& claim);
  void unbind(const std::string& claim);
  void set_slices();
  void write_slice(const kube::Json& service, const kube::Json& endpoints);
  Process start_agent(const std::string& address);

  testing::FakeApi api_;
  std::unique_ptr<kube::Client> client_;
  int agent_port_ = 0;
  std::atomic<bool> deaf_ = false;
  std::atomic<bool> late_ = false;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool dirty_ = true;                // guarded by mutex_
  bool hold_ = false;                // the same
  std::map<std::string, Pod> pods_;  // by claim; the same
  int last_ = 0;
  std::mutex info_mutex_;
  std::string info_ = "{}";  // guarded by info_mutex_
  std::unique_ptr<control::Informer> claims_;
  std::unique_ptr<control::Informer> services_;
  std::jthread worker_;
};

}  // namespace vibed::claims
