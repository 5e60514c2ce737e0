#include "controller_world.hpp"

#include <fstream>
#include <thread>

#include "claims/names.hpp"
#include "sandbox/local_world.hpp"

namespace vibed {

using namespace std::chrono_literals;
using kube::Json;
using Steady = std::chrono::steady_clock;

void write_kubeconfig(const std::string& file, const kube::Access& access) {
  Json cluster = {{"server", access.server}};
  Json user = Json::object();
  if (!access.authorities.file.empty()) cluster["certificate-authority"] = access.authorities.file;
  if (!access.certificate.file.empty()) user["client-certificate"] = access.certificate.file;
  if (!access.key.file.empty()) user["client-key"] = access.key.file;
  if (!access.token.text.empty()) user["token"] = access.token.text;
  const Json config = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"current-context", "here"},
      {"clusters", {{{"name", "here"}, {"cluster", cluster}}}},
      {"users", {{{"name", "me"}, {"user", user}}}},
      {"contexts",
       {{{"name", "here"},
         {"context",
          {{"cluster", "here"}, {"user", "me"}, {"namespace", claims::FakeCluster::kSpace}}}}}}};
  std::ofstream(file) << config.dump();
}

void ControllerTest::SetUp() {
  cluster_.add_pool(kTemplate, 4);
  auto apps = open_kubernetes_app_store(cluster_.client(), {.space = claims::FakeCluster::kSpace});
  ASSERT_TRUE(apps) << apps.error().message;
  apps_ = std::move(*apps);
  cluster_.api().before_each([this](const http::Request& request) {
    std::string token(request.headers.get("Authorization"));
    std::unique_lock lock(mutex_);
    const bool lease = request.target.find("/leases") != std::string::npos;
    if (request.method != "GET" && !lease) ++writes_[token];
    changed_.wait(lock, [&] { return !lease || held_.empty() || token != "Bearer " + held_; });
  });
}

void ControllerTest::TearDown() { let_leases_go(); }

ControllerOptions ControllerTest::options(const std::string& name) {
  kube::Access access = cluster_.api().access();
  access.token.text = name;
  const std::string file = folder_ / (name + ".kubeconfig");
  write_kubeconfig(file, access);
  ControllerOptions options;
  options.cluster.kubeconfig = file;
  options.pool_namespace = claims::FakeCluster::kSpace;
  options.install_secret = "a secret of 32 bytes or even more";
  options.sources = sandbox::make_echo_store();
  options.domain = "apps.test";
  options.metrics_address = "127.0.0.1:0";
  options.probes_address = "127.0.0.1:0";
  options.deaf_after = 1s;
  options.leader_elect = true;
  options.identity = name;
  options.lease_duration = 3'000ms;
  options.renew_deadline = 1'500ms;
  options.retry_period = 200ms;
  options.agent_port = cluster_.agent_port();
  return options;
}

std::unique_ptr<Controller> ControllerTest::open(const std::string& name) {
  return open(options(name));
}

std::unique_ptr<Controller> ControllerTest::open(const ControllerOptions& options) {
  auto opened = Controller::open(options);
  EXPECT_TRUE(opened) << opened.error().message;
  return opened ? std::move(*opened) : nullptr;
}

void ControllerTest::deploy(const std::string& name, const std::string& way) {
  App app;
  app.name = name;
  app.spec.owner = "somebody";
  app.spec.source = way;
  app.spec.lane = "general";
  app.spec.template_name = kTemplate;
  auto made = apps_->create(app);
  ASSERT_TRUE(made) << made.error().message;
}

void ControllerTest::redeploy(const std::string& name, const std::string& way) {
  for (;;) {
    auto app = apps_->get(name);
    ASSERT_TRUE(app) << app.error().message;
    app->spec.source = way;
    app->spec.entrypoint = "generation " + std::to_string(app->generation + 1);
    auto written = apps_->write_spec(*app);
    if (written) return;
    ASSERT_EQ(written.error().code, Errc::conflict) << written.error().message;
  }
}

App ControllerTest::await(const std::string& name, Phase phase) {
  App last;
  auto watch = apps_->watch(0);
  const auto end = Steady::now() + 60s;
  for (;;) {
    auto event = watch->next({}, end);
    if (!event) {
      const Condition* ready = find_condition(last.status, "Ready");
      ADD_FAILURE() << name << ": " << event.error().message << ", at last "
                    << to_string(last.status.phase) << " "
                    << (ready == nullptr ? "" : ready->message);
      return last;
    }
    if (event->gone || event->app.name != name) continue;
    last = event->app;
    // A watch may tell what was before the write that get() already has.
    auto known = apps_->get(name);
    const bool newest =
        phase != Phase::ready || (known && last.status.observed_generation == known->generation);
    if (last.status.phase == phase && newest) return last;
  }
}

Json ControllerTest::service_of(const std::string& app) {
  return cluster_.api().get(kube::services(),
                            {claims::FakeCluster::kSpace,
                             claims::service_name(app_label(claims::FakeCluster::kSpace, app))});
}

std::vector<Json> ControllerTest::claims_of(const std::string& app) {
  auto list = cluster_.client().list(
      claims::sandbox_claims(),
      {.space = claims::FakeCluster::kSpace, .labels = std::string(claims::kAppLabel) + "=" + app});
  EXPECT_TRUE(list) << list.error().message;
  return list ? list->items : std::vector<Json>();
}

bool ControllerTest::until(const std::function<bool()>& true_now) {
  const auto end = Steady::now() + 60s;
  while (!true_now()) {
    if (Steady::now() > end) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

std::pair<int, std::string> ControllerTest::get(const std::string& address,
                                                const std::string& path) {
  fetch::Request request;
  request.url = "http://" + address + path;
  auto answer = http_->send(request);
  if (!answer) return {0, answer.error().message};
  return {answer->status, answer->body};
}

int ControllerTest::writes_of(const std::string& name) {
  std::lock_guard lock(mutex_);
  return writes_["Bearer " + name];
}

void ControllerTest::hold_leases_of(const std::string& name) {
  std::lock_guard lock(mutex_);
  held_ = name;
}

void ControllerTest::let_leases_go() {
  std::lock_guard lock(mutex_);
  held_.clear();
  changed_.notify_all();
}

}  // namespace vibed
