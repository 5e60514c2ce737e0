#include "vibed/route_table.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "fetch/scripted_server.hpp"
#include "route/caddies.hpp"
#include "route/front_door.hpp"
#include "route/memory_routes.hpp"
#include "support/temp_dir.hpp"

namespace vibed::route {
namespace {

using testing::ask;
using testing::eventually;
using testing::ok_answer;
using testing::Script;
using testing::ScriptedServer;
using testing::Seen;
using testing::TempDir;

// A table together with the means to see what it does.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual RouteTable& table() = 0;
  virtual bool reaches(const std::string& host) = 0;
  virtual void restart() {}  // of whatever serves the routes
};

class MemoryBackend final : public Backend {
 public:
  RouteTable& table() override { return routes_; }
  bool reaches(const std::string& host) override {
    for (const auto& route : routes_.routes()) {
      if (route.host == host) return true;
    }
    return false;
  }

 private:
  MemoryRoutes routes_;
};

// As a browser asks: each change of the per-app layout makes Caddy reload, and a connection that
// comes at that moment may be reset (docs/configuration.md).
Result<fetch::Response> ask_again(const std::string& address, const std::string& host,
                                  const fetch::Request& request = {}) {
  auto answer = ask(address, host, request);
  for (int i = 0; i < 5 && !answer; ++i) answer = ask(address, host, request);
  return answer ? answer : fetch::Response{0, {}, answer.error().message};
}

class CaddyBackend final : public Backend {
 public:
  CaddyBackend(std::unique_ptr<FrontDoor> door, bool may_reset)
      : may_reset_(may_reset), door_(std::move(door)) {}
  RouteTable& table() override { return door_->routes(); }
  bool reaches(const std::string& host) override {
    auto answer = may_reset_ ? ask_again(door_->address(), host) : ask(door_->address(), host);
    return answer && answer->status == 200 && answer->body == "app of " + host;
  }
  void restart() override {
    const int before = door_->condition().restarts;
    ::kill(door_->condition().pid, SIGKILL);
    ASSERT_TRUE(eventually([&] { return door_->condition().restarts > before; }));
  }

 private:
  const bool may_reset_;
  std::unique_ptr<FrontDoor> door_;
};

struct Kind {
  std::string name;
  std::string caddy;   // "" for memory
  std::string layout;  // of route.layout
  friend std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }
};

// What every table promises. The sockets of the apps are there or not, as the sandbox pool makes
// them; the wildcard layout rests on that.
class RouteTableContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(run_ + "/apps");
    if (GetParam().caddy.empty()) {
      backend_ = std::make_unique<MemoryBackend>();
      return;
    }
    const std::string program = testing::caddy_program({GetParam().caddy});
    NEEDS_CADDY(program);
    auto door = FrontDoor::start(
        {.run = run_, .listen = "127.0.0.1:0", .layout = GetParam().layout, .program = program});
    ASSERT_TRUE(door) << door.error().message;
    backend_ = std::make_unique<CaddyBackend>(std::move(*door), GetParam().layout == "per-app");
  }

  // An app that listens where the pool would make it listen.
  Route add_app(const std::string& label) {
    const std::string socket = run_ + "/apps/" + label + ".sock";
    apps_.emplace(label, std::make_unique<ScriptedServer>(
                             [label](const Seen&) {
                               return Script{ok_answer("app of " + label + ".localhost")};
                             },
                             socket));
    return {label + ".localhost", "unix/" + socket};
  }

  void end_app(const std::string& label) {
    apps_.erase(label);
    std::filesystem::remove(run_ + "/apps/" + label + ".sock");
  }

  TempDir data_;
  const std::string run_ = data_ / "run";
  std::map<std::string, std::unique_ptr<ScriptedServer>> apps_;
  std::unique_ptr<Backend> backend_;
};

TEST_P(RouteTableContract, APublishedHostIsReachedWhenTheCallReturns) {
  const Route route = add_app("one");
  ASSERT_TRUE(backend_->table().publish(route));
  EXPECT_TRUE(backend_->reaches("one.localhost"));
}

TEST_P(RouteTableContract, PublishingAgainChangesNothing) {
  const Route route = add_app("one");
  ASSERT_TRUE(backend_->table().publish(route));
  ASSERT_TRUE(backend_->table().publish(route));
  EXPECT_TRUE(backend_->reaches("one.localhost"));
}

TEST_P(RouteTableContract, AWithdrawnHostIsNotReached) {
  ASSERT_TRUE(backend_->table().publish(add_app("one")));
  ASSERT_TRUE(backend_->table().publish(add_app("two")));
  end_app("one");
  ASSERT_TRUE(backend_->table().withdraw("one.localhost"));
  EXPECT_FALSE(backend_->reaches("one.localhost"));
  EXPECT_TRUE(backend_->reaches("two.localhost"));
}

TEST_P(RouteTableContract, WithdrawingWhatIsNotThereIsASuccess) {
  EXPECT_TRUE(backend_->table().withdraw("never.localhost"));
  EXPECT_TRUE(backend_->table().withdraw("never.localhost"));
}

TEST_P(RouteTableContract, AWithdrawnHostMayBePublishedAgain) {
  const Route route = add_app("one");
  ASSERT_TRUE(backend_->table().publish(route));
  ASSERT_TRUE(backend_->table().withdraw(route.host));
  ASSERT_TRUE(backend_->table().publish(route));
  EXPECT_TRUE(backend_->reaches("one.localhost"));
}

TEST_P(RouteTableContract, ResyncLeavesExactlyWhatItIsGiven) {
  ASSERT_TRUE(backend_->table().publish(add_app("old")));
  const Route kept = add_app("kept");
  ASSERT_TRUE(backend_->table().publish(kept));
  const Route fresh = add_app("new");
  end_app("old");
  ASSERT_TRUE(backend_->table().resync({kept, fresh}));
  EXPECT_FALSE(backend_->reaches("old.localhost"));
  EXPECT_TRUE(backend_->reaches("kept.localhost"));
  EXPECT_TRUE(backend_->reaches("new.localhost"));
}

TEST_P(RouteTableContract, ManyThreadsMayPublishAtOnce) {
  std::vector<Route> routes;
  for (int i = 0; i < 24; ++i) routes.push_back(add_app("app" + std::to_string(i)));
  std::atomic<int> published = 0;
  {
    std::vector<std::jthread> threads;
    for (const auto& route : routes) {
      threads.emplace_back([&] { published += backend_->table().publish(route) ? 1 : 0; });
    }
  }
  EXPECT_EQ(published, 24);
  for (const auto& route : routes) EXPECT_TRUE(backend_->reaches(route.host)) << route.host;
}

TEST_P(RouteTableContract, RoutesSurviveARestart) {
  ASSERT_TRUE(backend_->table().publish(add_app("one")));
  backend_->restart();
  EXPECT_TRUE(backend_->reaches("one.localhost"));
  ASSERT_TRUE(backend_->table().publish(add_app("two")));
  EXPECT_TRUE(backend_->reaches("two.localhost"));
}

INSTANTIATE_TEST_SUITE_P(Backends, RouteTableContract,
                         ::testing::Values(Kind{"Memory", "", ""},
                                           Kind{"Wildcard", "machine", "wildcard"},
                                           Kind{"WildcardCaddy211", "2.11", "wildcard"},
                                           Kind{"PerAppCaddy211", "2.11", "per-app"}),
                         [](const auto& kind) { return kind.param.name; });

// What only the per-app layout has.
class PerAppLayout : public ::testing::Test {
 protected:
  void SetUp() override {
    NEEDS_CADDY(program_);
    std::filesystem::create_directories(run_ + "/apps");
    door_ = start();
  }

  std::unique_ptr<FrontDoor> start() {
    auto door = FrontDoor::start(
        {.run = run_, .listen = "127.0.0.1:0", .layout = "per-app", .program = program_});
    EXPECT_TRUE(door) << door.error().message;
    return door ? std::move(*door) : nullptr;
  }

  const std::string program_ = testing::caddy_program({"2.11"});
  TempDir data_;
  const std::string run_ = data_ / "run";
  std::unique_ptr<FrontDoor> door_;
};

TEST_F(PerAppLayout, LeadsACustomDomainToATcpUpstream) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("shop")}; });
  ASSERT_TRUE(door_->routes().publish({"shop.example.com", app.url().substr(7)}));
  EXPECT_EQ(ask_again(door_->address(), "shop.example.com")->body, "shop");
}

TEST_F(PerAppLayout, MovesAHostToAnotherUpstream) {
  ScriptedServer older([](const Seen&) { return Script{ok_answer("old")}; }, run_ + "/1");
  ScriptedServer newer([](const Seen&) { return Script{ok_answer("new")}; }, run_ + "/2");
  ASSERT_TRUE(door_->routes().publish({"abc.localhost", "unix/" + run_ + "/1"}));
  EXPECT_EQ(ask_again(door_->address(), "abc.localhost")->body, "old");
  ASSERT_TRUE(door_->routes().publish({"abc.localhost", "unix/" + run_ + "/2"}));
  EXPECT_EQ(ask_again(door_->address(), "abc.localhost")->body, "new");
}

TEST_F(PerAppLayout, SendsAHostWithoutARouteToTheWaitingRoomWithItsBody) {
  ScriptedServer room([](const Seen& seen) { return Script{ok_answer(seen.head + seen.body)}; },
                      run_ + "/waiting-room.sock");
  auto answer = ask_again(door_->address(), "abc.localhost", {.method = "POST", .body = "hello"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->body.starts_with("POST / ")) << answer->body;
  EXPECT_TRUE(answer->body.ends_with("hello")) << answer->body;
  EXPECT_NE(answer->body.find("X-Vibed-App: abc\r\n"), std::string::npos) << answer->body;
}

TEST_F(PerAppLayout, AStreamLivesOnWhileOtherAppsArePublished) {
  std::atomic<int> reads = 0;
  ScriptedServer app(
      [&](const Seen&) {
        if (reads++ == 0) {
          return Script{
              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"};
        }
        return Script{"pong"};
      },
      run_ + "/apps/ws.sock");
  ASSERT_TRUE(door_->routes().publish({"ws.localhost", "unix/" + run_ + "/apps/ws.sock"}));
  auto visitor = testing::open_upgraded(door_->address(), "ws.localhost");
  for (int i = 0; i < 5 && !visitor; ++i)  // as ask_again
    visitor = testing::open_upgraded(door_->address(), "ws.localhost");
  ASSERT_TRUE(visitor) << visitor.error().message;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(door_->routes().publish({"x" + std::to_string(i) + ".localhost", "unix//none"}));
  }
  EXPECT_EQ(testing::say(visitor->get(), "ping\r\n\r\n", 4), "pong");
}

TEST_F(PerAppLayout, AnAdoptedOneKeepsItsRoutesUntilItIsResynced) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; }, run_ + "/1");
  ASSERT_TRUE(door_->routes().publish({"abc.localhost", "unix/" + run_ + "/1"}));
  const int pid = door_->condition().pid;
  door_->keep();
  door_.reset();
  door_ = start();
  ASSERT_NE(door_, nullptr);
  EXPECT_EQ(door_->condition().pid, pid);
  EXPECT_EQ(ask_again(door_->address(), "abc.localhost")->body, "app");
  ASSERT_TRUE(door_->routes().resync({}));
  EXPECT_EQ(ask_again(door_->address(), "abc.localhost")->status, 503);
}

TEST_F(PerAppLayout, GathersManyChangesIntoFewCalls) {
  // One at a time at most every 200 ms this would take 20 s.
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 100; ++i) {
      threads.emplace_back([this, i] {
        EXPECT_TRUE(
            door_->routes().publish({"app" + std::to_string(i) + ".localhost", "127.0.0.1:9"}));
      });
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(PerAppLayout, APublishFailsWhileCaddyIsDownAndIsServedWhenItIsBack) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; }, run_ + "/1");
  ::kill(door_->condition().pid, SIGKILL);
  static_cast<void>(door_->routes().publish({"abc.localhost", "unix/" + run_ + "/1"}));
  ASSERT_TRUE(eventually([&] { return door_->condition().restarts == 1; }));
  ASSERT_TRUE(door_->routes().publish({"abc.localhost", "unix/" + run_ + "/1"}));
  EXPECT_EQ(ask_again(door_->address(), "abc.localhost")->body, "app");
}

TEST(WildcardRoutes, RefusesWhatTheWildcardDoesNotCover) {
  const TempDir data;
  const std::string program = testing::caddy_program({"machine"});
  NEEDS_CADDY(program);
  auto door = FrontDoor::start({.run = data.path(), .listen = "127.0.0.1:0", .program = program});
  ASSERT_TRUE(door) << door.error().message;
  RouteTable& table = (*door)->routes();
  EXPECT_FALSE(table.publish({"shop.example.com", "unix/" + data / "apps/shop.sock"}));
  EXPECT_FALSE(table.publish({"abc.localhost", "127.0.0.1:80"}));
  EXPECT_TRUE(table.publish({"abc.localhost", "unix/" + (data / "apps/abc.sock")}));
}

}  // namespace
}  // namespace vibed::route
