#include "fake_cluster.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <vector>

#include "claims/names.hpp"

namespace vibed::claims {
namespace {

using kube::Json;

Fd listen_on(const std::string& address, int port, int* chosen = nullptr) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) return Fd();
  ::listen(fd.get(), 64);
  socklen_t size = sizeof name;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size);
  if (chosen != nullptr) *chosen = ntohs(name.sin_port);
  return fd;
}

Json ready(bool is, const std::string& reason) {
  return Json::array({{{"type", "Ready"},
                       {"status", is ? "True" : "False"},
                       {"reason", reason},
                       {"message", ""},
                       {"lastTransitionTime", "2026-11-22T12:00:00Z"}}});
}

}  // namespace

FakeCluster::FakeCluster() {
  auto opened = kube::open_client(api_.access(), {.name = "fake-cluster"});
  client_ = std::move(*opened);
  { Fd free_port = listen_on("127.0.0.1", 0, &agent_port_); }
  auto wake = [this](const control::Change&) {
    std::lock_guard lock(mutex_);
    dirty_ = true;
    changed_.notify_all();
  };
  control::InformerOptions claims;
  claims.resource = sandbox_claims();
  claims.on_change = wake;
  claims_ = control::Informer::start(*client_, std::move(claims));
  control::InformerOptions services;
  services.resource = kube::services();
  services.on_change = wake;
  services_ = control::Informer::start(*client_, std::move(services));
  worker_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

FakeCluster::~FakeCluster() {
  worker_.request_stop();
  worker_.join();
  claims_.reset();
  services_.reset();
  for (auto& [claim, pod] : pods_) {
    if (!pod.agent) continue;
    (void)pod.agent.signal(SIGKILL);
    (void)pod.agent.reap();
  }
}

void FakeCluster::add_pool(const std::string& name, int replicas, const std::string& unavailable) {
  Json pool = {{"apiVersion", sandbox_warm_pools().api_version()},
               {"kind", sandbox_warm_pools().kind},
               {"metadata",
                {{"name", name},
                 {"namespace", kSpace},
                 {"labels", {{kTemplateLabel, name}, {kLaneLabel, "general"}}}}},
               {"spec", {{"replicas", replicas}, {"sandboxTemplateRef", {{"name", name}}}}}};
  if (!unavailable.empty()) pool["metadata"]["annotations"] = {{kUnavailable, unavailable}};
  api_.create(sandbox_warm_pools(), std::move(pool));
}

void FakeCluster::hold(bool hold) {
  std::lock_guard lock(mutex_);
  hold_ = hold;
  dirty_ = true;
  changed_.notify_all();
}

void FakeCluster::run(const std::stop_token& stop) {
  for (;;) {
    bool hold = false;
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [&] { return dirty_; })) return;
      dirty_ = false;
      hold = hold_;
    }
    std::set<std::string> there;
    for (const control::Object& claim : claims_->all()) {
      std::string name = kube::key_of(*claim).name;
      there.insert(name);
      bool known = false;
      {
        std::lock_guard lock(mutex_);
        known = pods_.contains(name);
      }
      if (!known && !hold) bind(*claim);
    }
    std::vector<std::string> gone;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [name, pod] : pods_)
        if (!there.contains(name)) gone.push_back(name);
    }
    for (const std::string& name : gone) unbind(name);
    set_slices();
  }
}

void FakeCluster::slices_are_late(bool late) {
  late_ = late;
  std::lock_guard lock(mutex_);
  dirty_ = true;
  changed_.notify_all();
}

void FakeCluster::set_agent_info(const std::string& json) {
  std::lock_guard lock(info_mutex_);
  info_ = json;
}

Process FakeCluster::start_agent(const std::string& address) {
  Fd control = listen_on(address, agent_port_);
  Fd relay = listen_on(address, 0);
  SpawnOptions options;
  options.argv = {"/usr/bin/python3", VIBED_SOURCE_DIR "/tests/sandbox/fake_agent.py"};
  options.env = {"PATH=/usr/bin:/bin", "VIBED_AGENT_CONTROL_FD=3", "VIBED_AGENT_RELAY_FD=4"};
  {
    std::lock_guard lock(info_mutex_);
    options.env->push_back("FAKE_AGENT_INFO=" + info_);
  }
  options.stderr_fd = 2;
  options.fds = {{control.get(), 3}, {relay.get(), 4}};
  auto process = spawn(options);
  EXPECT_TRUE(process) << process.error().message;
  return process ? std::move(*process) : Process();
}

void FakeCluster::bind(const Json& claim) {
  std::string name = kube::key_of(claim).name;
  Pod pod;
  pod.name = kube::text_at(claim, {"spec", "warmPoolRef", "name"}) + "-" + std::to_string(++last_);
  pod.address = "127.77." + std::to_string(last_ / 250) + "." + std::to_string(last_ % 250 + 1);
  pod.deaf = deaf_.exchange(false);
  if (!pod.deaf) pod.agent = start_agent(pod.address);
  api_.create(
      kube::pods(),
      {{"apiVersion", "v1"},
       {"kind", "Pod"},
       {"metadata",
        {{"name", pod.name},
         {"namespace", kSpace},
         {"labels",
          {{kClaimUidLabel, kube::uid_of(claim)}, {kNameHashLabel, name_hash(pod.name)}}}}}});
  Json status = {{"sandbox", {{"name", pod.name}, {"podIPs", {pod.address}}}},
                 {"conditions", ready(true, "DependenciesReady")}};
  {
    std::lock_guard lock(mutex_);
    pods_[name] = std::move(pod);
  }
  write_status(name, status);
}

void FakeCluster::write_status(const std::string& claim, const Json& status) {
  (void)client_->patch(sandbox_claims(), {kSpace, claim}, kube::PatchType::merge,
                       {{"status", status}}, {.subresource = "status"});
}

void FakeCluster::unbind(const std::string& claim) {
  Pod pod;
  {
    std::lock_guard lock(mutex_);
    pod = std::move(pods_[claim]);
    pods_.erase(claim);
  }
  if (pod.agent) {
    (void)pod.agent.signal(SIGKILL);
    (void)pod.agent.reap();
  }
  (void)client_->remove(kube::pods(), {kSpace, pod.name});
}

void FakeCluster::kill_pod(const std::string& claim, bool fails) {
  {
    std::lock_guard lock(mutex_);
    Pod& pod = pods_.at(claim);
    if (pod.agent) {
      (void)pod.agent.signal(SIGKILL);
      (void)pod.agent.reap();
      pod.agent = Process();
    }
  }
  if (fails) write_status(claim, {{"conditions", ready(false, "PodFailed")}});
}

void FakeCluster::restart_container(const std::string& claim) {
  kill_pod(claim, false);
  std::lock_guard lock(mutex_);
  pods_.at(claim).agent = start_agent(pods_.at(claim).address);
}

std::string FakeCluster::pod_of(const std::string& claim) {
  std::string name;
  {
    std::lock_guard lock(mutex_);
    if (!pods_.contains(claim)) return "";
    name = pods_.at(claim).name;
  }
  return kube::uid_of(api_.get(kube::pods(), {kSpace, name}));
}

Json FakeCluster::claim(const std::string& name) {
  return api_.get(sandbox_claims(), {kSpace, name});
}

int FakeCluster::count_claims() {
  auto list = client_->list(sandbox_claims(), {.space = kSpace});
  return list ? static_cast<int>(list->items.size()) : -1;
}

// Each Service has one slice with the pods that its selector means.
void FakeCluster::set_slices() {
  if (late_) return;
  auto pods = client_->list(kube::pods(), {.space = kSpace});
  if (!pods) return;
  for (const control::Object& service : services_->all()) {
    Json endpoints = Json::array();
    for (const Json& pod : pods->items) {
      bool selected = true;
      for (const auto& [key, value] : kube::find(*service, {"spec", "selector"}).items())
        selected = selected && kube::text_at(pod, {"metadata", "labels", key}) == value;
      if (!selected) continue;
      endpoints.push_back(
          {{"addresses", Json::array({"127.0.0.1"})},
           {"conditions", {{"ready", true}}},
           {"targetRef",
            {{"kind", "Pod"}, {"name", kube::key_of(pod).name}, {"uid", kube::uid_of(pod)}}}});
    }
    write_slice(*service, endpoints);
  }
}

void FakeCluster::write_slice(const Json& service, const Json& endpoints) {
  const std::string name = kube::key_of(service).name;
  Json labels = kube::find(service, {"metadata", "labels"});
  labels["kubernetes.io/service-name"] = name;
  Json slice = {{"apiVersion", kube::endpoint_slices().api_version()},
                {"kind", kube::endpoint_slices().kind},
                {"metadata", {{"name", name}, {"namespace", kSpace}, {"labels", labels}}},
                {"addressType", "IPv4"},
                {"endpoints", endpoints}};
  auto made = client_->create(kube::endpoint_slices(), slice);
  if (!made && made.error().code == Errc::already_exists) {
    (void)client_->patch(kube::endpoint_slices(), {kSpace, name}, kube::PatchType::merge,
                         {{"endpoints", endpoints}});
  }
}

}  // namespace vibed::claims
