#include "lifecycle/loop.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "lifecycle/worlds.hpp"
#include "sandbox/memory_pool.hpp"
#include "vibed/app_store.hpp"

namespace vibed::lifecycle {
namespace {

using namespace std::chrono_literals;
using sandbox::Behaviour;

// The loop over the in-memory store and pool, with real threads and no sleep: tests wait on the
// store's own watch.
class Loop : public ::testing::Test {
 protected:
  void SetUp() override { start(); }

  void start(StepOptions step = {}) {
    loop_ = Lifecycle::start(*apps_, *pool_, {.step = std::move(step), .workers = 4});
  }

  App create(const std::string& name) {
    App app = testing::an_app();
    app.name = name;
    return *apps_->create(app);
  }

  // The next generation of it.
  App deploy(const std::string& name) {
    for (;;) {
      App app = *apps_->get(name);
      app.spec.source = name + ".v" + std::to_string(app.generation + 1) + ".key";
      app.spec.suspended = false;
      if (auto written = apps_->write_spec(app)) return *written;
    }
  }

  // Waits until the record of `name` is as `wanted` says; the last one seen if that takes 20 s.
  App await(const std::string& name, const std::function<bool(const App&)>& wanted) {
    auto changes = apps_->watch(0);
    App last;
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (auto event = changes->next({}, deadline)) {
      if (event->app.name != name) continue;
      last = event->app;
      if (event->gone) last.uid.clear();
      if (wanted(last)) break;
    }
    return last;
  }

  App await_ready(const std::string& name, std::int64_t generation) {
    return await(name, [&](const App& app) {
      return app.status.phase == Phase::ready && app.status.observed_generation == generation;
    });
  }

  std::unique_ptr<AppStore> apps_ = make_memory_app_store("vibed-apps");
  std::unique_ptr<sandbox::MemoryPool> pool_ = sandbox::make_memory_sandbox_pool();
  std::unique_ptr<Lifecycle> loop_;
};

TEST_F(Loop, BringsANewAppUp) {
  create("web");
  App app = await_ready("web", 1);
  EXPECT_EQ(app.status.phase, Phase::ready);
  EXPECT_EQ(pool_->exposed(app_label("vibed-apps", "web")), app.status.sandbox_ref);
}

TEST_F(Loop, ReplacesAGenerationByTheNext) {
  create("web");
  await_ready("web", 1);
  deploy("web");
  App app = await_ready("web", 2);
  EXPECT_EQ(app.status.observed_generation, 2);
  EXPECT_EQ(pool_->injected(app.status.sandbox_ref).source, "web.v2.key");
}

TEST_F(Loop, TellsOfEveryStatusItHasWritten) {
  loop_.reset();
  std::mutex mutex;
  std::vector<std::pair<AppStatus, AppStatus>> told;
  LoopOptions options;
  options.tell = [&](const App& before, const AppStatus& after) {
    std::lock_guard lock(mutex);
    EXPECT_EQ(before.name, "web");
    told.emplace_back(before.status, after);
  };
  loop_ = Lifecycle::start(*apps_, *pool_, options);
  create("web");
  const App app = await_ready("web", 1);
  loop_.reset();
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.front().first, AppStatus{});
  EXPECT_EQ(told.back().second, app.status);
  for (std::size_t i = 1; i < told.size(); ++i) EXPECT_EQ(told[i].first, told[i - 1].second);
}

TEST_F(Loop, TriesAgainWhenThePoolIsEmpty) {
  pool_->fail_claims({Errc::resource_exhausted, "no sandbox is free", "pool_exhausted"}, 2);
  create("web");
  EXPECT_EQ(await_ready("web", 1).status.phase, Phase::ready);
}

TEST_F(Loop, TriesAgainWhenThePoolDoesNotAnswer) {
  pool_->fail_injects({Errc::unavailable, "it does not answer"}, 2);
  pool_->fail_exposes({Errc::unavailable, "it does not answer"}, 2);
  create("web");
  EXPECT_EQ(await_ready("web", 1).status.phase, Phase::ready);
}

TEST_F(Loop, HealsAnAppWhoseSandboxDied) {
  create("web");
  std::string first = await_ready("web", 1).status.sandbox_ref;
  pool_->kill(first);
  App app = await("web", [&](const App& now) {
    return now.status.phase == Phase::ready && now.status.sandbox_ref != first;
  });
  EXPECT_NE(app.status.sandbox_ref, first);
  EXPECT_EQ(app.status.phase, Phase::ready);
}

TEST_F(Loop, GivesUpAnAppThatCrashesOnAndOn) {
  create("web");
  pool_->crash(await_ready("web", 1).status.sandbox_ref);
  App app = await("web", [](const App& now) { return now.status.phase == Phase::failed; });
  EXPECT_EQ(find_condition(app.status, "Ready")->reason, "CrashLoop");
}

TEST_F(Loop, FailsAnAppThatNeverListensWhenItsTimeIsUp) {
  loop_.reset();
  pool_->script("web", {.kind = Behaviour::Kind::never});
  start({.start_timeout = 1s});
  create("web");
  App app = await("web", [](const App& now) { return now.status.phase == Phase::failed; });
  EXPECT_EQ(find_condition(app.status, "Ready")->reason, "NotListening");
}

TEST_F(Loop, LetsARemovedAppGo) {
  create("web");
  await_ready("web", 1);
  ASSERT_TRUE(apps_->remove("web"));
  App app = await("web", [](const App& now) { return now.uid.empty(); });
  EXPECT_EQ(app.uid, "");
  EXPECT_TRUE(pool_->alive().empty());
}

TEST_F(Loop, ReleasesTheSandboxesOfAppsThatDoNotExist) {
  loop_.reset();
  ASSERT_TRUE(pool_->claim({"ghost", "uid-ghost", "label", 1, "node-24"}));
  create("web");
  start();
  await_ready("web", 1);
  loop_.reset();  // the first sweep began before, and is done now
  ASSERT_EQ(pool_->alive().size(), 1U);
  EXPECT_EQ(pool_->alive()[0].app, "web");
}

TEST_F(Loop, TakesUpWhereAPredecessorStopped) {
  create("web");
  std::string box = await_ready("web", 1).status.sandbox_ref;
  loop_.reset();
  deploy("web");
  start();
  App app = await_ready("web", 2);
  EXPECT_NE(app.status.sandbox_ref, box);
}

TEST_F(Loop, RecordsAreTrueWhenItHasStarted) {
  create("web");
  await_ready("web", 1);
  loop_.reset();
  pool_ = sandbox::make_memory_sandbox_pool();  // the machine was restarted, say
  pool_->script_default({.kind = Behaviour::Kind::never});
  start();
  EXPECT_EQ(apps_->get("web")->status.phase, Phase::starting);
}

TEST_F(Loop, ManyAppsComeUpAtOnce) {
  constexpr int kApps = 50;
  for (int i = 0; i < kApps; ++i) create("app" + std::to_string(i));
  int ready = 0;
  for (int i = 0; i < kApps; ++i) {
    if (await_ready("app" + std::to_string(i), 1).status.phase == Phase::ready) ++ready;
  }
  EXPECT_EQ(ready, kApps);
  EXPECT_EQ(pool_->alive().size(), static_cast<std::size_t>(kApps));
}

}  // namespace
}  // namespace vibed::lifecycle
