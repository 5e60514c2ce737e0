#include "pool_contract.hpp"

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace vibed::sandbox {

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

}  // namespace vibed::sandbox
