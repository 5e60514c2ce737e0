// What every SandboxPool promises.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <set>
#include <thread>

#include "local_world.hpp"
#include "sandbox/memory_pool.hpp"
#include "watcher.hpp"

namespace vibed::sandbox {
namespace {

using namespace std::chrono_literals;

// One pool and how to make things happen in it.
class World {
 public:
  virtual ~World() = default;
  virtual SandboxPool& pool() = 0;
  // A source that makes `app` behave that way: listen, fail, silent.
  virtual std::string source(const std::string& app, const std::string& way) = 0;
  virtual void kill(const std::string& id) = 0;
};

class MemoryWorld final : public World {
 public:
  SandboxPool& pool() override { return *pool_; }
  std::string source(const std::string& app, const std::string& way) override {
    Behaviour behaviour;
    if (way == "fail") behaviour.kind = Behaviour::Kind::failed;
    if (way == "silent") behaviour.kind = Behaviour::Kind::never;
    pool_->script(app, behaviour);
    return "key";
  }
  void kill(const std::string& id) override { pool_->kill(id); }

 private:
  std::unique_ptr<MemoryPool> pool_ = [] {
    MemoryPoolOptions options;
    TemplateStatus off;
    off.name = "off";
    options.templates = {off};
    off.name = "python-313";
    off.available = true;
    options.templates.push_back(off);
    return make_memory_sandbox_pool(options);
  }();
};

class RealWorld final : public World {
 public:
  RealWorld() {
    Template off = plain_template("off", 1);
    off.available = false;
    world_.base.templates.push_back(off);
    world_.pool->stop(false);
    world_.open();
  }
  SandboxPool& pool() override { return *world_.pool; }
  std::string source(const std::string&, const std::string& way) override { return way; }
  void kill(const std::string& id) override {
    std::string state = world_.state(id);
    std::size_t at = state.find("\"pid\": ");
    ASSERT_NE(at, std::string::npos) << state;
    ::kill(std::stoi(state.substr(at + 7)), SIGKILL);
  }

 private:
  LocalWorld world_;
};

struct Backend {
  std::string name;
  std::function<std::unique_ptr<World>()> make;
  bool real = false;
  friend std::ostream& operator<<(std::ostream& out, const Backend& b) { return out << b.name; }
};

class SandboxPoolContract : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (GetParam().real) {
      static const std::string why = why_no_sandboxes();
      if (!why.empty()) GTEST_SKIP() << why;
    }
    world_ = GetParam().make();
  }

  SandboxPool& pool() { return world_->pool(); }

  static SandboxRequest request(std::int64_t generation, const std::string& app = "web") {
    return {app, "uid-" + app, "label-" + app, generation, "python-313"};
  }

  // A sandbox in which the app of that generation listens.
  Sandbox listening(std::int64_t generation) {
    auto claimed = pool().claim(request(generation));
    EXPECT_TRUE(claimed);
    if (!claimed) return {};
    Watcher watcher(pool());
    watcher.until_phase(claimed->id, {SandboxPhase::bound, SandboxPhase::failed});
    EXPECT_TRUE(pool().inject(claimed->id, {world_->source("web", "listen"), "", {}}));
    return watcher.until_phase(claimed->id, {SandboxPhase::listening, SandboxPhase::failed});
  }

  Sandbox bound(std::int64_t generation, const std::string& app = "web") {
    auto claimed = pool().claim(request(generation, app));
    EXPECT_TRUE(claimed);
    if (!claimed) return {};
    Watcher watcher(pool());
    return watcher.until_phase(claimed->id, {SandboxPhase::bound, SandboxPhase::failed});
  }

  std::unique_ptr<World> world_;
};

TEST_P(SandboxPoolContract, AClaimOfTheSameGenerationIsTheSameSandbox) {
  auto first = pool().claim(request(1));
  auto second = pool().claim(request(1));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->id, second->id);
  EXPECT_EQ(pool().observe("uid-web").size(), 1U);
  EXPECT_EQ(first->app, "web");
  EXPECT_EQ(first->generation, 1);
}

TEST_P(SandboxPoolContract, AClaimGetsBound) { EXPECT_EQ(bound(1).phase, SandboxPhase::bound); }

TEST_P(SandboxPoolContract, AnInjectedAppListens) {
  Sandbox sandbox = listening(1);
  EXPECT_EQ(sandbox.phase, SandboxPhase::listening) << sandbox.message;
  EXPECT_EQ(sandbox.port, 8080);
  EXPECT_NE(sandbox.start_command, "");
  EXPECT_GT(sandbox.injected_at, Time());
}

TEST_P(SandboxPoolContract, AnAppThatEndsAtOnceIsFailedAndSaysWhy) {
  Sandbox sandbox = bound(1);
  Watcher watcher(pool());
  ASSERT_TRUE(pool().inject(sandbox.id, {world_->source("web", "fail"), "", {}}));
  sandbox = watcher.until_phase(sandbox.id, {SandboxPhase::failed, SandboxPhase::listening});
  EXPECT_EQ(sandbox.phase, SandboxPhase::failed);
  EXPECT_EQ(sandbox.reason, "AppExited");
  EXPECT_NE(sandbox.message, "");
  EXPECT_EQ(sandbox.log_tail, std::vector<std::string>{"boom"});
}

TEST_P(SandboxPoolContract, ASandboxIsInjectedOnce) {
  Sandbox sandbox = bound(1);
  std::string key = world_->source("web", "silent");
  ASSERT_TRUE(pool().inject(sandbox.id, {key, "", {}}));
  EXPECT_TRUE(pool().inject(sandbox.id, {key, "", {}}));
  EXPECT_EQ(pool().observe("uid-web").at(0).phase, SandboxPhase::starting);
}

TEST_P(SandboxPoolContract, OnlyWhatListensCanBeExposed) {
  Sandbox sandbox = bound(1);
  EXPECT_EQ(pool().expose("label-web", sandbox.id).error().code, Errc::conflict);
  EXPECT_EQ(pool().expose("label-web", "nobody").error().code, Errc::not_found);
}

TEST_P(SandboxPoolContract, TheUpstreamMovesFromOneGenerationToTheNext) {
  Sandbox first = listening(1);
  ASSERT_TRUE(pool().expose("label-web", first.id));
  EXPECT_TRUE(pool().expose("label-web", first.id));
  Sandbox second = listening(2);
  ASSERT_TRUE(pool().expose("label-web", second.id));
  auto all = pool().observe("uid-web");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].generation, 1);
  EXPECT_FALSE(all[0].exposed);
  EXPECT_TRUE(all[1].exposed);
  EXPECT_NE(all[1].upstream, "");
}

TEST_P(SandboxPoolContract, AReleasedSandboxIsNoLongerObservedAndCanBeReleasedAgain) {
  Sandbox sandbox = listening(1);
  ASSERT_TRUE(pool().release(sandbox.id));
  EXPECT_TRUE(pool().observe("uid-web").empty());
  EXPECT_TRUE(pool().release(sandbox.id));
  auto again = pool().claim(request(1));
  ASSERT_TRUE(again);
  EXPECT_NE(again->id, sandbox.id);
}

TEST_P(SandboxPoolContract, ADeadSandboxIsGoneAndItsGenerationGetsANewOne) {
  Sandbox sandbox = listening(1);
  ASSERT_TRUE(pool().expose("label-web", sandbox.id));
  Watcher watcher(pool());
  world_->kill(sandbox.id);
  EXPECT_EQ(watcher.until_phase(sandbox.id, {SandboxPhase::gone}).phase, SandboxPhase::gone);
  auto again = pool().claim(request(1));
  ASSERT_TRUE(again);
  EXPECT_NE(again->id, sandbox.id);
  EXPECT_TRUE(pool().release(sandbox.id));
}

TEST_P(SandboxPoolContract, UnknownAndUnavailableTemplatesAreRefused) {
  SandboxRequest wrong = request(1);
  wrong.template_name = "nothing-9";
  EXPECT_EQ(pool().claim(wrong).error().reason, "template_missing");
  wrong.template_name = "off";
  EXPECT_EQ(pool().claim(wrong).error().reason, "template_unavailable");
}

TEST_P(SandboxPoolContract, CallsOnASandboxThatIsNotThereAreNotFound) {
  EXPECT_EQ(pool().inject("nobody", {}).error().code, Errc::not_found);
  EXPECT_EQ(pool().logs("nobody", {}).error().code, Errc::not_found);
  EXPECT_TRUE(pool().release("nobody"));
}

TEST_P(SandboxPoolContract, ASubscriberIsNotCalledAfterItUnsubscribed) {
  std::atomic<bool> subscribed = true;
  std::atomic<bool> late = false;
  pool().subscribe([&](const std::string&) { late = late || !subscribed; });
  auto first = pool().claim(request(1));
  ASSERT_TRUE(first);
  pool().subscribe({});
  subscribed = false;
  ASSERT_TRUE(pool().release(first->id));
  EXPECT_EQ(bound(2).phase, SandboxPhase::bound);
  EXPECT_FALSE(late);
}

TEST_P(SandboxPoolContract, ManyThreadsMayClaimTheSameGeneration) {
  std::vector<std::string> ids(8);
  {
    std::vector<std::jthread> threads;
    for (std::string& id : ids)
      threads.emplace_back([&] {
        auto claimed = pool().claim(request(1));
        if (claimed) id = claimed->id;
      });
  }
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1U);
  EXPECT_NE(ids[0], "");
}

TEST_P(SandboxPoolContract, ManyAppsAtOnceGetOneSandboxEach) {
  std::vector<Sandbox> all(6);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < all.size(); ++i)
      threads.emplace_back([&, i] {
        auto claimed = pool().claim(request(1, "app" + std::to_string(i)));
        if (claimed) all[i] = *claimed;
      });
  }
  Watcher watcher(pool());
  std::set<std::string> ids;
  for (const Sandbox& sandbox : all) {
    ids.insert(sandbox.id);
    Sandbox now = watcher.until_phase(sandbox.id, {SandboxPhase::bound, SandboxPhase::failed});
    EXPECT_EQ(now.phase, SandboxPhase::bound) << now.message;
  }
  EXPECT_EQ(ids.size(), all.size());
}

TEST_P(SandboxPoolContract, TemplatesAreListedWithTheirState) {
  ASSERT_EQ(bound(1).phase, SandboxPhase::bound);
  bool seen = false;
  for (const TemplateStatus& status : pool().templates()) {
    if (status.name == "off") {
      EXPECT_FALSE(status.available);
    }
    if (status.name != "python-313") continue;
    seen = true;
    EXPECT_TRUE(status.available);
    EXPECT_EQ(status.claimed, 1);
  }
  EXPECT_TRUE(seen);
}

INSTANTIATE_TEST_SUITE_P(
    Backends, SandboxPoolContract,
    ::testing::Values(Backend{"memory", [] { return std::make_unique<MemoryWorld>(); }},
                      Backend{"local", [] { return std::make_unique<RealWorld>(); }, true}),
    [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace vibed::sandbox
