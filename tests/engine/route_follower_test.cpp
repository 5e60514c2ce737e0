#include "engine/route_follower.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>

namespace vibed {
namespace {

using namespace std::chrono_literals;

// Remembers routes, lets a test wait for a state of them, and fails as often as it is told.
class RecordingRoutes final : public RouteTable {
 public:
  Status publish(const Route& route) override {
    std::lock_guard lock(mutex_);
    if (failures_ > 0) {
      --failures_;
      return Error{Errc::unavailable, "no front door"};
    }
    if (route.host == refused_) return Error{Errc::invalid_argument, "not here"};
    ++calls_;
    routes_[route.host] = route.upstream;
    changed_.notify_all();
    return success();
  }
  Status withdraw(const std::string& host) override {
    std::lock_guard lock(mutex_);
    routes_.erase(host);
    changed_.notify_all();
    return success();
  }
  Status resync(const std::vector<Route>& routes) override {
    std::lock_guard lock(mutex_);
    if (failures_ > 0) {
      --failures_;
      return Error{Errc::unavailable, "no front door"};
    }
    std::map<std::string, std::string> wanted;
    for (const Route& route : routes) wanted[route.host] = route.upstream;
    if (wanted.contains(refused_)) return Error{Errc::invalid_argument, "not here"};
    ++calls_;
    routes_ = std::move(wanted);
    changed_.notify_all();
    return success();
  }

  void fail(int times) {
    std::lock_guard lock(mutex_);
    failures_ = times;
  }
  void refuse(const std::string& host) {
    std::lock_guard lock(mutex_);
    refused_ = host;
  }
  int calls() {
    std::lock_guard lock(mutex_);
    return calls_;
  }
  bool wait_for(const std::map<std::string, std::string>& wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return routes_ == wanted; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> routes_;  // guarded by mutex_
  int failures_ = 0;                           // guarded by mutex_
  std::string refused_;                        // guarded by mutex_
  int calls_ = 0;                              // that changed something; guarded by mutex_
};

class RouteFollowerTest : public ::testing::Test {
 protected:
  App make_app(const std::string& name) {
    App app;
    app.name = name;
    app.spec.owner = "admin";
    app.spec.lane = "general";
    auto created = apps_->create(app);
    EXPECT_TRUE(created);
    return *created;
  }
  void write(const App& app, Phase phase) {
    AppStatus status;
    status.phase = phase;
    status.url = "http://" + app.name + ".localhost:18080";
    status.route_target = "unix//run/" + app.name;
    ASSERT_TRUE(apps_->write_status(app.name, app.uid, status));
  }

  std::unique_ptr<AppStore> apps_ = make_memory_app_store("vibed-apps");
  RecordingRoutes routes_;
};

TEST_F(RouteFollowerTest, PublishesWhatServesAndWithdrawsWhatIsSuspended) {
  auto follower = RouteFollower::start(*apps_, routes_);
  App a = make_app("a");
  App b = make_app("b");
  write(a, Phase::ready);
  write(b, Phase::ready);
  EXPECT_TRUE(routes_.wait_for({{"a.localhost", "unix//run/a"}, {"b.localhost", "unix//run/b"}}));
  write(a, Phase::suspended);
  EXPECT_TRUE(routes_.wait_for({{"b.localhost", "unix//run/b"}}));
}

TEST_F(RouteFollowerTest, WithdrawsWhatIsRemoved) {
  App a = make_app("a");
  write(a, Phase::ready);
  auto follower = RouteFollower::start(*apps_, routes_);
  ASSERT_TRUE(routes_.wait_for({{"a.localhost", "unix//run/a"}}));
  ASSERT_TRUE(apps_->remove("a"));
  EXPECT_TRUE(routes_.wait_for({}));
}

TEST_F(RouteFollowerTest, TriesAgainWhatFailed) {
  routes_.fail(1);
  App a = make_app("a");
  write(a, Phase::ready);
  auto follower = RouteFollower::start(*apps_, routes_);
  EXPECT_TRUE(routes_.wait_for({{"a.localhost", "unix//run/a"}}));
}

TEST_F(RouteFollowerTest, TellsOfAllThatChangedAtOnce) {
  std::map<std::string, std::string> wanted;
  for (int i = 0; i < 200; ++i) {
    App app = make_app("app-" + std::to_string(i));
    write(app, Phase::ready);
    wanted[app.name + ".localhost"] = "unix//run/" + app.name;
  }
  routes_.fail(1);
  auto follower = RouteFollower::start(*apps_, routes_);
  ASSERT_TRUE(routes_.wait_for(wanted));
  EXPECT_EQ(routes_.calls(), 1);
}

TEST_F(RouteFollowerTest, WhatCannotBeServedKeepsNobodyElseWaiting) {
  routes_.refuse("b.localhost");
  for (const char* name : {"a", "b", "c"}) write(make_app(name), Phase::ready);
  auto follower = RouteFollower::start(*apps_, routes_);
  EXPECT_TRUE(routes_.wait_for({{"a.localhost", "unix//run/a"}, {"c.localhost", "unix//run/c"}}));
}

}  // namespace
}  // namespace vibed
