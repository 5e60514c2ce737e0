// What publishing one more app costs with many apps there: a real Caddy, configured as vibed-router
// does it, in both layouts.
//
//   route_scale CADDY [APPS...]     default: 10 1000 10000
//
// In the per-app layout the router follows records, and Caddy gets a route for each. In the
// wildcard layout there is nothing to tell Caddy; what a Service is on a cluster is a socket here.
// With a waiting room, which knows where each app is, an app is answered before it has its route.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/files.hpp"
#include "engine/route_follower.hpp"
#include "fetch/fetch.hpp"
#include "http/server.hpp"
#include "process/spawn.hpp"
#include "route/edge.hpp"
#include "support/surroundings.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr int kPublished = 15;
constexpr auto kLongest = 600s;
constexpr auto kPause = 400ms;  // between two, so that none waits for the interval of the other

double milliseconds_since(Steady::time_point start) {
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

[[noreturn]] void fail(const std::string& why) {
  fmt::print(stderr, "route_scale: {}\n", why);
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result) fail(result.error().message);
  return *std::move(result);
}

void must(const Status& status) {
  if (!status) fail(status.error().message);
}

std::string name_of(int number) { return fmt::format("app-{:05}", number); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// An app that answers, by port and by socket.
class Target {
 public:
  explicit Target(const std::string& socket)
      : by_port_(must(http::start_server("127.0.0.1:0", router()))),
        by_socket_(must(http::start_server("unix:" + socket, router()))) {}
  std::string address() const { return by_port_->address(); }

 private:
  static http::Router router() {
    http::Router router;
    router.add("GET", "/", [](http::Request&) { return http::json_response(200, "\"here\""); });
    return router;
  }
  std::unique_ptr<http::Server> by_port_;
  std::unique_ptr<http::Server> by_socket_;
};

class Caddy {
 public:
  Caddy(const std::string& program, const std::string& run)
      : address_(fmt::format("127.0.0.1:{}", testing::free_port())), client_(fetch::make_client()) {
    must(write_file(run + "/start.json", route::edge_bootstrap(run).dump(), Durability::unsynced));
    SpawnOptions options;
    options.argv = {program, "run", "--config", run + "/start.json"};
    options.env = {{"HOME=" + run, "XDG_CONFIG_HOME=" + run, "XDG_DATA_HOME=" + run}};
    process_ = must(spawn(options));
  }
  ~Caddy() {
    (void)process_.signal(SIGKILL);
    (void)process_.reap();
  }
  Caddy(const Caddy&) = delete;
  Caddy& operator=(const Caddy&) = delete;

  const std::string& address() const { return address_; }

  // Waits until visitors of that app are answered by it.
  void await(const std::string& name) {
    fetch::Request request;
    request.url = "http://" + address_ + "/";
    request.headers = {{"Host", name + ".apps.test"}};
    const auto end = Steady::now() + kLongest;
    for (;;) {
      auto answer = client_->send(request);
      if (answer && answer->status == 200 && answer->body == "\"here\"") return;
      if (Steady::now() > end) fail(name + " is not answered");
      std::this_thread::sleep_for(1ms);
    }
  }

 private:
  std::string address_;
  std::unique_ptr<fetch::Client> client_;
  Process process_;
};

struct Figures {
  double all = 0;  // ms from the router's start until the last app is answered
  double one = 0;  // ms from a new app until it is
};

class World {
 public:
  World(const std::string& program, route::Layout layout, int count, bool has_room)
      : layout_(layout), count_(count) {
    if (has_room) room_ = must(http::start_server("127.0.0.1:0", room()));
    std::filesystem::create_directories(run_ + "/apps");
    target_ = std::make_unique<Target>(run_ + "/target.sock");
    caddy_ = std::make_unique<Caddy>(program, run_);
    for (int i = 0; i < count; ++i) add(i);
  }

  Figures measure() {
    Figures figures;
    route::FrontDoorPlan plan;
    plan.layout = layout_;
    plan.listen = caddy_->address();
    plan.domain = "apps.test";
    plan.run = run_;
    plan.version = {2, 11, 0};
    plan.upstream = "unix/" + run_ + "/apps/{label}.sock";
    plan.try_duration = "3s";
    plan.waiting_room = room_ ? room_->address() : "127.0.0.1:1";
    const auto begin = Steady::now();
    auto edge = must(route::Edge::start({.plan = plan}));
    std::unique_ptr<RouteFollower> follower;
    if (layout_ == route::Layout::per_app) follower = RouteFollower::start(*apps_, edge->routes());
    caddy_->await(name_of(count_ - 1));
    figures.all = milliseconds_since(begin);
    std::vector<double> each;
    for (int i = 0; i < kPublished; ++i) {
      std::this_thread::sleep_for(kPause);
      const auto from = Steady::now();
      add(count_ + i);
      caddy_->await(name_of(count_ + i));
      each.push_back(milliseconds_since(from));
    }
    figures.one = median(each);
    return figures;
  }

 private:
  // As vibed's answers an edge; apps are called here what their labels are.
  http::Router room() {
    http::Router router;
    router.add("*", "/{path...}", [this](http::Request& request) {
      const std::string host(request.headers.get("Host"));
      auto app = apps_->get(host.substr(0, host.find('.')));
      auto response = http::json_response(503, "\"starting\"");
      if (app && app->status.phase == Phase::ready)
        response.headers.set("X-Vibed-Upstream", app->status.route_target);
      return response;
    });
    return router;
  }

  // An app that has just become reachable.
  void add(int number) {
    const std::string name = name_of(number);
    if (layout_ == route::Layout::wildcard) {
      std::filesystem::create_symlink(run_ + "/target.sock", run_ + "/apps/" + name + ".sock");
      return;
    }
    App app;
    app.name = name;
    app.spec.owner = "somebody";
    app.spec.lane = "fast";
    app = must(apps_->create(app));
    AppStatus status;
    status.phase = Phase::ready;
    status.url = "http://" + name + ".apps.test";
    status.route_target = target_->address();
    must(apps_->write_status(name, app.uid, status));
  }

  const route::Layout layout_;
  const int count_;
  testing::TempDir folder_;
  const std::string run_ = folder_ / "run";
  std::unique_ptr<AppStore> apps_ = make_memory_app_store("vibed-apps");
  std::unique_ptr<http::Server> room_;
  std::unique_ptr<Target> target_;
  std::unique_ptr<Caddy> caddy_;
};

}  // namespace
}  // namespace vibed

int main(int argc, char** argv) {
  using vibed::route::Layout;
  if (argc < 2) {
    fmt::print(stderr, "usage: route_scale CADDY [APPS...]\n");
    return 2;
  }
  std::vector<int> counts;
  for (int i = 2; i < argc; ++i) counts.push_back(std::max(std::atoi(argv[i]), 1));
  if (counts.empty()) counts = {10, 1000, 10000};
  fmt::print(
      "| layout | apps | a new app → answered | ÷ fewest apps | router's start → all answered |\n"
      "|---|--:|--:|--:|--:|\n");
  struct Row {
    const char* name;
    Layout layout;
    bool has_room;
  };
  for (const Row& row : {Row{"wildcard", Layout::wildcard, false},
                         Row{"per-app, with a waiting room", Layout::per_app, true},
                         Row{"per-app, by its own route", Layout::per_app, false}}) {
    double fewest = 0;
    for (const int count : counts) {
      const auto f = vibed::World(argv[1], row.layout, count, row.has_room).measure();
      if (fewest == 0) fewest = f.one;
      fmt::print("| {} | {} | {:.1f} ms | {:.2f} | {:.0f} ms |\n", row.name, count, f.one,
                 f.one / fewest, f.all);
      std::fflush(stdout);
    }
  }
}
