#include "sandbox/memory_pool.hpp"

#include <gtest/gtest.h>

#include "watcher.hpp"

namespace vibed::sandbox {
namespace {

using namespace std::chrono_literals;

SandboxRequest request(std::int64_t generation) {
  return {"web", "uid-1", "label1", generation, "node-24"};
}

class MemoryPoolTest : public ::testing::Test {
 protected:
  SandboxPhase phase(const std::string& id) {
    for (const Sandbox& sandbox : pool_->observe_all())
      if (sandbox.id == id) return sandbox.phase;
    return SandboxPhase::gone;
  }

  std::unique_ptr<MemoryPool> pool_ = make_memory_sandbox_pool();
};

TEST_F(MemoryPoolTest, AnInjectionDoesWhatTheScriptSays) {
  Watcher watcher(*pool_);
  Behaviour fails;
  fails.kind = Behaviour::Kind::failed;
  fails.reason = "CrashLoop";
  fails.delay = 1ms;
  pool_->script("web", fails);
  auto claimed = pool_->claim(request(1));
  ASSERT_TRUE(claimed);
  ASSERT_TRUE(pool_->inject(claimed->id, {"key", "", {}}));
  ASSERT_TRUE(watcher.until([&] { return phase(claimed->id) == SandboxPhase::failed; }));
  EXPECT_EQ(pool_->observe("uid-1").at(0).reason, "CrashLoop");
  EXPECT_EQ(pool_->observe("uid-1").at(0).log_tail, std::vector<std::string>{"boom"});
}

TEST_F(MemoryPoolTest, ASlowBootIsPendingUntilItIsBound) {
  Behaviour slow;
  slow.boot = -1ms;
  pool_->script_default(slow);
  auto claimed = pool_->claim(request(1));
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->phase, SandboxPhase::pending);
  EXPECT_EQ(pool_->inject(claimed->id, {}).error().code, Errc::conflict);
  pool_->bind(claimed->id);
  EXPECT_EQ(phase(claimed->id), SandboxPhase::bound);
}

TEST_F(MemoryPoolTest, AFaultHitsAsManyCallsAsAskedFor) {
  pool_->fail_claims({Errc::unavailable, "no"}, 2);
  EXPECT_FALSE(pool_->claim(request(1)));
  EXPECT_FALSE(pool_->claim(request(1)));
  EXPECT_TRUE(pool_->claim(request(1)));
  EXPECT_EQ(pool_->alive().size(), 1U);
}

TEST_F(MemoryPoolTest, DroppedNotificationsChangeTheWorldSilently) {
  auto claimed = pool_->claim(request(1));
  ASSERT_TRUE(claimed);
  Watcher watcher(*pool_);
  pool_->drop_notifications(true);
  pool_->kill(claimed->id);
  EXPECT_EQ(phase(claimed->id), SandboxPhase::gone);
  EXPECT_EQ(watcher.calls(), 0U);
  pool_->notify("web");
  EXPECT_TRUE(watcher.until([&] { return true; }));
}

TEST_F(MemoryPoolTest, TheJournalHasTheCallsInOrder) {
  auto claimed = pool_->claim(request(1));
  ASSERT_TRUE(claimed);
  ASSERT_TRUE(pool_->claim(request(1)));
  ASSERT_TRUE(pool_->inject(claimed->id, {"key", "", {}}));
  ASSERT_TRUE(pool_->release(claimed->id));
  EXPECT_EQ(pool_->journal(),
            (std::vector<std::string>{"claim web 1 sb-1", "inject sb-1", "release sb-1"}));
}

TEST_F(MemoryPoolTest, AFullPoolIsExhausted) {
  MemoryPoolOptions options;
  options.capacity = 1;
  auto small = make_memory_sandbox_pool(options);
  ASSERT_TRUE(small->claim(request(1)));
  EXPECT_EQ(small->claim(request(2)).error().reason, "pool_exhausted");
}

TEST_F(MemoryPoolTest, AFollowerOfTheLogGetsNewLinesAndTheEnd) {
  auto claimed = pool_->claim(request(1));
  ASSERT_TRUE(claimed);
  pool_->log(claimed->id, {{}, "stdout", "one"});
  auto stream = pool_->logs(claimed->id, {10, true});
  ASSERT_TRUE(stream);
  auto soon = [] { return std::chrono::steady_clock::now() + 10s; };
  EXPECT_EQ((*(*stream)->next({}, soon()))->text, "one");
  pool_->log(claimed->id, {{}, "stderr", "two"});
  EXPECT_EQ((*(*stream)->next({}, soon()))->text, "two");
  pool_->kill(claimed->id);
  EXPECT_FALSE(*(*stream)->next({}, soon()));
}

}  // namespace
}  // namespace vibed::sandbox
