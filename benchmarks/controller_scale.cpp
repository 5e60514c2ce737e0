// What vibed-controller does with many apps: the real program against an API server in this
// process.
//
//   controller_scale CONTROLLER [APPS...]     default: 10 1000 10000
//
// Every app is a record without a status that is to be suspended, so that each takes the controller
// one decision and one write, and no sandbox.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <csignal>

#include "app/kubernetes_app_store.hpp"
#include "app/kubernetes_record.hpp"
#include "base/files.hpp"
#include "fetch/fetch.hpp"
#include "kube/client.hpp"
#include "kube/fake_api.hpp"
#include "process/spawn.hpp"
#include "support/surroundings.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using kube::Json;
using Steady = std::chrono::steady_clock;

constexpr const char* kSpace = "vibed-apps";
constexpr int kChanges = 31;

double milliseconds_since(Steady::time_point start) {
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

template <typename T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "controller_scale: {}\n", result.error().message);
  std::exit(1);
}

void must(const Status& status) {
  if (status) return;
  fmt::print(stderr, "controller_scale: {}\n", status.error().message);
  std::exit(1);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

App suspended_app(int number) {
  App app;
  app.name = fmt::format("app-{:05}", number);
  app.spec.owner = "somebody";
  app.spec.source = "a-source";
  app.spec.lane = "fast";
  app.spec.template_name = "static-nginx";
  app.spec.suspended = true;
  return app;
}

// Counts writes of status as they reach the API server.
class StatusWrites {
 public:
  explicit StatusWrites(testing::FakeApi& api) {
    api.before_each([this](const http::Request& request) {
      if (request.target.find("/status") == std::string::npos) return;
      const std::lock_guard lock(mutex_);
      ++count_;
      changed_.notify_all();
    });
  }

  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

  void wait_for(int count) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 300s, [&] { return count_ >= count; }))
      must(Status(Error{Errc::deadline_exceeded, "no status is written"}));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

// The value of a line of /proc/<pid>/status in MiB.
double memory_of(pid_t pid, const std::string& name) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) / 1024;
  }
  return 0;
}

// A running vibed-controller.
class Controller {
 public:
  Controller(const std::string& program, const std::string& kubeconfig)
      : port_(testing::free_port()) {
    SpawnOptions options;
    options.argv = {program,
                    "run",
                    "--kubeconfig=" + kubeconfig,
                    "--pool-namespace=" + std::string(kSpace),
                    "--source-url=http://127.0.0.1:1",
                    "--metrics-bind-address=0",
                    fmt::format("--health-probe-bind-address=127.0.0.1:{}", port_)};
    options.env = {{"VIBED_INSTALL_SECRET=a secret of 32 bytes or even more"}};
    started_ = Steady::now();
    process_ = must(spawn(options));
  }
  ~Controller() {
    (void)process_.signal(SIGTERM);
    (void)process_.reap();
  }
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // Milliseconds from its start until /readyz says that it acts.
  double ready() const {
    auto client = fetch::make_client();
    fetch::Request request;
    request.url = fmt::format("http://127.0.0.1:{}/readyz", port_);
    for (;;) {
      auto answer = client->send(request);
      if (answer && answer->status == 200) return milliseconds_since(started_);
      if (process_.wait_exit(0ms)) must(Status(Error{Errc::internal, "vibed-controller ended"}));
      std::this_thread::sleep_for(2ms);
    }
  }

  double since_start() const { return milliseconds_since(started_); }
  pid_t pid() const { return process_.pid(); }

 private:
  int port_;
  Steady::time_point started_;
  Process process_;
};

void write_kubeconfig(const std::string& file, const std::string& server) {
  const Json config = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"current-context", "here"},
      {"clusters", {{{"name", "here"}, {"cluster", {{"server", server}}}}}},
      {"users", {{{"name", "me"}, {"user", Json::object()}}}},
      {"contexts", {{{"name", "here"}, {"context", {{"cluster", "here"}, {"user", "me"}}}}}}};
  must(write_file(file, config.dump(), Durability::unsynced, 0600));
}

struct Figures {
  double first_pass = 0;  // ms from the start until every app has its status
  double start = 0;       // ms from the start until ready, nothing to write
  double list = 0;        // ms for a bare list of the records
  double change = 0;      // ms from a write of one spec until its status is written
  double rss = 0;         // MiB
};

Figures measure(const std::string& program, int count) {
  testing::FakeApi api;
  StatusWrites writes(api);
  testing::TempDir folder;
  write_kubeconfig(folder / "kubeconfig", api.access().server);
  auto client = must(kube::open_client(api.access(), {.name = "benchmark"}));
  auto apps = must(open_kubernetes_app_store(*client, {.space = kSpace}));
  for (int i = 0; i < count; ++i) must(apps->create(suspended_app(i)));

  Figures figures;
  {
    Controller controller(program, folder / "kubeconfig");
    writes.wait_for(count);
    figures.first_pass = controller.since_start();
  }
  std::vector<double> starts;
  std::vector<double> lists;
  for (int i = 0; i < 5; ++i) {
    starts.push_back(Controller(program, folder / "kubeconfig").ready());
    const auto begin = Steady::now();
    if (must(client->list(vibed_apps(), {.space = kSpace})).items.size() != std::size_t(count))
      must(Status(Error{Errc::internal, "records are missing"}));
    lists.push_back(milliseconds_since(begin));
  }
  figures.start = median(starts);
  figures.list = median(lists);

  Controller controller(program, folder / "kubeconfig");
  (void)controller.ready();
  std::this_thread::sleep_for(1s);  // what the start left to do
  figures.rss = memory_of(controller.pid(), "VmRSS");
  std::vector<double> changes;
  for (int i = 0; i < kChanges; ++i) {
    App app = must(apps->get(suspended_app(i * 7 % count).name));
    app.spec.entrypoint = fmt::format("change {}", i);
    const int before = writes.count();
    const auto begin = Steady::now();
    must(apps->write_spec(app));
    writes.wait_for(before + 1);
    changes.push_back(milliseconds_since(begin));
  }
  figures.change = median(changes);
  return figures;
}

}  // namespace
}  // namespace vibed

int main(int argc, char** argv) {
  using vibed::Figures;
  if (argc < 2) {
    fmt::print(stderr, "usage: controller_scale CONTROLLER [APPS...]\n");
    return 2;
  }
  std::vector<int> counts;
  for (int i = 2; i < argc; ++i) counts.push_back(std::max(std::atoi(argv[i]), 1));
  if (counts.empty()) counts = {10, 1000, 10000};
  fmt::print(
      "| apps | start → ready | ÷ bare list | all decided and written | apps a second | one change "
      "→ "
      "written | ÷ fewest apps | RSS |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n");
  double fewest = 0;
  for (int count : counts) {
    const Figures f = vibed::measure(argv[1], count);
    if (fewest == 0) fewest = f.change;
    fmt::print(
        "| {} | {:.0f} ms | {:.2f} | {:.0f} ms | {:.0f} | {:.2f} ms | {:.2f} | {:.1f} MiB |\n",
        count, f.start, f.start / f.list, f.first_pass, count / f.first_pass * 1000, f.change,
        f.change / fewest, f.rss);
    std::fflush(stdout);
  }
}
