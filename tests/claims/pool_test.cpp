// The pool of claims, on a fake cluster whose agents are a few lines each.
#include <gtest/gtest.h>

#include "claim_world.hpp"

namespace vibed::claims {
namespace {

using sandbox::Watcher;

class SpareTest : public ClaimPoolTest {
 protected:
  // As they are in the cluster.
  std::vector<Claim> claims() {
    std::vector<Claim> claims;
    auto list = cluster().client().list(sandbox_claims(), {.space = FakeCluster::kSpace});
    for (const kube::Json& object : list ? list->items : std::vector<kube::Json>())
      claims.push_back(read_claim(object));
    return claims;
  }
};

TEST_F(ClaimPoolTest, ASpareIsTakenAndBoundAtOnce) {
  make();
  world_->wait_for_spares(1);
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_EQ(claimed->phase, SandboxPhase::bound);
  kube::Json object = cluster().claim(claimed->id);
  EXPECT_EQ(kube::text_at(object, {"metadata", "labels", kAppUidLabel}), "uid-web");
  EXPECT_FALSE(object["metadata"]["labels"].contains(kSpareLabel));
  EXPECT_FALSE(object["spec"].contains("lifecycle")) << "an app's claim never ends by itself";
  EXPECT_EQ(kube::text_at(object["metadata"]["ownerReferences"][0], {"kind"}), "VibedApp");
  world_->wait_for_spares(1);  // it is replaced
}

TEST_F(ClaimPoolTest, WithoutSparesAnAppHasAClaimOfItsOwn) {
  make({.spares = 0});
  cluster().hold(true);
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->phase, SandboxPhase::pending);
  cluster().hold(false);
  EXPECT_EQ(reach(claimed->id, SandboxPhase::bound).phase, SandboxPhase::bound);
  for (const TemplateStatus& status : pool().templates())
    if (status.name == "python-313") {
      EXPECT_EQ(status.misses, 1);
      EXPECT_EQ(status.hits, 0);
    }
}

// agent-sandbox ends a claim by the cluster's clock, which also says when it was made.
TEST_F(SpareTest, GoByTheClockOfTheCluster) {
  for (const auto offset : {std::chrono::seconds(1h), -std::chrono::seconds(1h)}) {
    make({.spares = 0});
    cluster().api().set_clock(offset);
    cluster().hold(true);
    world_->set_spares(1);
    ASSERT_TRUE(ClaimWorld::until([&] { return claims().size() == 1; }));
    const Claim spare = claims()[0];
    const auto left = spare.shutdown - (std::chrono::system_clock::now() + offset);
    EXPECT_GT(left, 500s);
    EXPECT_LT(left, 700s);
    std::this_thread::sleep_for(1500ms);  // it is looked at again, and is not given up
    EXPECT_EQ(claims()[0].uid, spare.uid);
    cluster().hold(false);
    world_->wait_for_spares(1);
    auto claimed = pool().claim(request());
    ASSERT_TRUE(claimed) << claimed.error().message;
    EXPECT_TRUE(claimed->id.starts_with("spare-")) << claimed->id;
  }
}

TEST_F(ClaimPoolTest, ASpareThatAnotherProcessTookIsNotTakenAgain) {
  make();
  world_->wait_for_spares(1);
  std::string stolen;
  auto list = cluster().client().list(sandbox_claims(), {.space = FakeCluster::kSpace});
  ASSERT_TRUE(list);
  ASSERT_EQ(list->items.size(), 1U);
  stolen = kube::key_of(list->items[0]).name;
  kube::Json other = cluster().claim(stolen);
  other["metadata"]["labels"] = {{kAppLabel, "other"}, {kAppUidLabel, "uid-other"}};
  cluster().api().replace(sandbox_claims(), other);  // and perhaps the watch has not told us yet
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_NE(claimed->id, stolen);
  EXPECT_EQ(reach(claimed->id, SandboxPhase::bound).phase, SandboxPhase::bound);
}

TEST_F(ClaimPoolTest, ASpareThatHasChangedAndIsStillOneIsTaken) {
  make();
  world_->wait_for_spares(1);
  cluster().api().inject({.what = testing::Fault::What::refuse,
                          .times = 1,
                          .method = "PATCH",
                          .path = "sandboxclaims/spare-",
                          .refusal = {409, "Conflict", "agent-sandbox has annotated it", {}}});
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_TRUE(claimed->id.starts_with("spare-")) << claimed->id;
}

TEST_F(ClaimPoolTest, OfTwoClaimsForOneGenerationTheOlderWins) {
  make({.spares = 0});
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed);
  reach(claimed->id, SandboxPhase::bound);
  kube::Json twin = cluster().claim(claimed->id);
  twin["metadata"] = {
      {"name", "twin"}, {"namespace", FakeCluster::kSpace}, {"labels", twin["metadata"]["labels"]}};
  twin.erase("status");
  cluster().api().create(sandbox_claims(), twin);
  Watcher watcher(pool());
  ASSERT_TRUE(watcher.until([&] { return pool().observe("uid-web").size() == 2; }));
  auto again = pool().claim(request());
  ASSERT_TRUE(again);
  EXPECT_EQ(pool().observe("uid-web").size(), 1U);
  EXPECT_EQ(again->id, pool().observe("uid-web")[0].id);
}

TEST_F(ClaimPoolTest, ANewProcessAsksTheAgentsWhatRuns) {
  make();
  Sandbox first = listening();
  ASSERT_TRUE(pool().expose("label-web", first.id));
  world_->open();
  Sandbox found = reach(first.id, SandboxPhase::listening);
  EXPECT_EQ(found.phase, SandboxPhase::listening) << found.message;
  EXPECT_TRUE(pool().observe("uid-web").at(0).exposed);
  EXPECT_EQ(found.generation, 1);
}

TEST_F(ClaimPoolTest, ARestartedContainerIsGoneAndNeverInjectedAgain) {
  make();
  Sandbox first = listening();
  Watcher watcher(pool());
  cluster().restart_container(first.id);
  EXPECT_EQ(watcher.until_phase(first.id, {SandboxPhase::gone}).phase, SandboxPhase::gone);
  auto again = pool().claim(request());
  ASSERT_TRUE(again);
  EXPECT_NE(again->id, first.id);
}

// Its network's process has ended: kubelet starts the same pod anew, which has an address before it
// is ready.
TEST_F(ClaimPoolTest, APodThatIsStartedAnewAtAnotherAddressIsGone) {
  make();
  Sandbox first = listening();
  Watcher watcher(pool());
  const auto write = [&](const char* ready) {
    const kube::Json condition = {
        {"type", "Ready"}, {"status", ready}, {"reason", "Dependencies"}, {"message", ""}};
    kube::Json sandbox = cluster().claim(first.id)["status"]["sandbox"];
    sandbox["podIPs"] = {"127.99.99.99"};
    cluster().write_status(first.id, {{"conditions", kube::Json::array({condition})},
                                      {"sandbox", std::move(sandbox)}});
  };
  write("False");
  write("True");
  EXPECT_EQ(watcher.until_phase(first.id, {SandboxPhase::gone}).phase, SandboxPhase::gone);
}

TEST_F(ClaimPoolTest, AnAgentThatIsNotThereIsALostSandboxNotABadApp) {
  make({.spares = 0});
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed);
  reach(claimed->id, SandboxPhase::bound);
  cluster().kill_pod(claimed->id, false);
  ASSERT_TRUE(pool().inject(claimed->id, {"listen", "", {}}));
  Sandbox lost = reach(claimed->id, SandboxPhase::gone);
  EXPECT_EQ(lost.phase, SandboxPhase::gone) << lost.message;
}

TEST_F(ClaimPoolTest, ASourceThatIsAwayIsWaitedForAndSaysSo) {
  make();
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed) << claimed.error().message;
  reach(claimed->id, SandboxPhase::bound);
  world_->sources.away = 2;
  ASSERT_TRUE(pool().inject(claimed->id, {"listen", "", {}}));
  {
    Watcher watcher(pool());
    EXPECT_TRUE(watcher.until([&] { return watcher.find(claimed->id)->reason != ""; }));
    Sandbox waits = *watcher.find(claimed->id);
    EXPECT_EQ(waits.phase, SandboxPhase::starting);
    EXPECT_EQ(waits.reason, "SourceUnavailable");
    EXPECT_NE(waits.message.find("nobody answers"), std::string::npos) << waits.message;
  }
  Sandbox at_last = reach(claimed->id, SandboxPhase::listening);
  EXPECT_EQ(at_last.phase, SandboxPhase::listening) << at_last.message;
  EXPECT_EQ(at_last.reason + at_last.message, "");
}

// Credentials that have ended are renewed some time; until then an app that has lost its sandbox
// must not be given up.
TEST_F(ClaimPoolTest, AStoreThatDoesNotLetUsInNowIsWaitedForToo) {
  make();
  std::int64_t generation = 0;
  for (Errc why : {Errc::unauthenticated, Errc::permission_denied, Errc::deadline_exceeded}) {
    world_->sources.why_away = why;
    world_->sources.away = 1;
    Sandbox sandbox = listening(++generation);
    EXPECT_EQ(sandbox.phase, SandboxPhase::listening) << sandbox.message;
    EXPECT_EQ(world_->sources.away, 0);
  }
}

TEST_F(ClaimPoolTest, ASourceThatBreaksOffMidwayIsSentAnew) {
  make();
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed);
  ASSERT_EQ(reach(claimed->id, SandboxPhase::bound).phase, SandboxPhase::bound);
  world_->sources.breaks = 1;
  ASSERT_TRUE(pool().inject(claimed->id, {"listen", "", {}}));
  const Sandbox listens = reach(claimed->id, SandboxPhase::listening);
  EXPECT_EQ(listens.phase, SandboxPhase::listening) << listens.message;
  EXPECT_EQ(world_->sources.opened, 2);
}

TEST_F(ClaimPoolTest, ASourceIsPulledFromAUrlOfItsOwn) {
  make({.pull_for = 90s});
  Sandbox sandbox = listening();
  EXPECT_EQ(sandbox.phase, SandboxPhase::listening) << sandbox.message;
  EXPECT_EQ(world_->sources.signed_for.load(), 90s);
  EXPECT_EQ(world_->sources.opened, 0) << "nothing of it goes through the pool";
}

TEST_F(ClaimPoolTest, AUrlThatCannotBeMadeNowIsWaitedForToo) {
  make({.pull_for = 90s});
  world_->sources.away = 1;
  Sandbox sandbox = listening();
  EXPECT_EQ(sandbox.phase, SandboxPhase::listening) << sandbox.message;
}

TEST_F(ClaimPoolTest, ASourceThatTheAgentCannotFetchFailsAndSaysWhy) {
  make({.pull_for = 90s});
  Sandbox sandbox = listening(1, "refuse");
  EXPECT_EQ(sandbox.phase, SandboxPhase::failed);
  EXPECT_EQ(sandbox.reason, "InjectFailed");
  EXPECT_EQ(sandbox.message, "refused");
}

TEST_F(ClaimPoolTest, ASourceThatDoesNotExistFailsAtOnce) {
  make();
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed) << claimed.error().message;
  reach(claimed->id, SandboxPhase::bound);
  ASSERT_TRUE(pool().inject(claimed->id, {"missing", "", {}}));
  EXPECT_EQ(reach(claimed->id, SandboxPhase::failed).reason, "InjectFailed");
}

TEST_F(ClaimPoolTest, WhatTheClusterForbidsIsSaidWhileItLasts) {
  make({.spares = 0});
  cluster().hold(true);
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed);
  const auto say = [&](const std::string& message) {
    const kube::Json ready = {{"type", "Ready"},
                              {"status", "False"},
                              {"reason", "ReconcilerError"},
                              {"message", message}};
    cluster().write_status(claimed->id, {{"conditions", kube::Json::array({ready})}});
  };
  Watcher watcher(pool());
  const auto reason = [&] { return watcher.find(claimed->id)->reason; };
  say("Error seen: pods \"app-1\" is forbidden: exceeded quota: full");
  EXPECT_TRUE(watcher.until([&] { return reason() == "SandboxForbidden"; }));
  EXPECT_NE(watcher.find(claimed->id)->message.find("exceeded quota"), std::string::npos);
  EXPECT_EQ(watcher.find(claimed->id)->phase, SandboxPhase::pending);
  say("Error seen: the object has been modified");
  EXPECT_TRUE(watcher.until([&] { return reason().empty(); }));
  cluster().hold(false);
  Sandbox bound = watcher.until_phase(claimed->id, {SandboxPhase::bound});
  EXPECT_EQ(bound.phase, SandboxPhase::bound);
  EXPECT_EQ(bound.reason + bound.message, "");
}

TEST_F(ClaimPoolTest, WhatIsNeverReadyFailsAndSaysWhy) {
  make({.spares = 0, .bind_timeout = 1s});
  cluster().hold(true);
  auto claimed = pool().claim(request());
  ASSERT_TRUE(claimed);
  Sandbox failed = reach(claimed->id, SandboxPhase::failed);
  EXPECT_EQ(failed.phase, SandboxPhase::failed);
  EXPECT_EQ(failed.reason, "ClaimFailed");
  EXPECT_NE(failed.message.find("within 1 s"), std::string::npos) << failed.message;
}

TEST_F(ClaimPoolTest, AFullQuotaIsAFullPool) {
  make({.spares = 0});
  cluster().api().inject({.what = testing::Fault::What::refuse,
                          .times = 1,
                          .method = "POST",
                          .path = "sandboxclaims",
                          .refusal = {403, "Forbidden", "exceeded quota: claims", {}}});
  auto claimed = pool().claim(request());
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().reason, "pool_exhausted");
  EXPECT_TRUE(pool().claim(request())) << "and it heals";
}

// The controller of EndpointSlices is away, and visitors go on to the older sandbox whatever the
// Service says.
TEST_F(ClaimPoolTest, WhatTheEndpointsDoNotHoldIsNotExposed) {
  make({.expose_timeout = 300ms});
  Sandbox first = listening(1);
  ASSERT_TRUE(pool().expose("label-web", first.id));
  Sandbox second = listening(2);
  cluster().slices_are_late(true);
  EXPECT_EQ(pool().expose("label-web", second.id).error().code, Errc::unavailable);
  const auto exposed = [&] {
    std::string text;
    for (const Sandbox& each : pool().observe("uid-web"))
      text += (each.exposed ? "+" : "-") + std::to_string(each.generation);
    return text;
  };
  EXPECT_EQ(exposed(), "+1-2");
  EXPECT_FALSE(pool().expose("label-web", second.id)) << "it is not true because it was tried";
  EXPECT_EQ(exposed(), "+1-2");
  world_->open();
  EXPECT_EQ(exposed(), "+1-2") << "a new process knows it too";

  cluster().slices_are_late(false);
  Watcher watcher(pool());
  EXPECT_TRUE(watcher.until([&] { return exposed() == "-1+2"; })) << exposed();
}

TEST_F(ClaimPoolTest, TheServiceFollowsTheExposedSandboxAndThenNobody) {
  make();
  Sandbox first = listening(1);
  ASSERT_TRUE(pool().expose("label-web", first.id));
  Sandbox second = listening(2);
  ASSERT_TRUE(pool().expose("label-web", second.id));
  auto service = [&] {
    return cluster().api().get(kube::services(), {FakeCluster::kSpace, "vibed-app-label-web"});
  };
  kube::Json claim = cluster().claim(second.id);
  EXPECT_EQ(service()["spec"]["selector"], (kube::Json{{kClaimUidLabel, kube::uid_of(claim)}}));
  EXPECT_EQ(service()["spec"]["ports"][0]["targetPort"], kRelayPort);
  ASSERT_TRUE(pool().release(first.id));
  ASSERT_TRUE(pool().release(second.id));
  for (const std::string& id : {first.id, second.id}) {
    for (int i = 0; i < 1000 && !cluster().claim(id).is_null(); ++i)
      std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(cluster().claim(id).is_null()) << id;
  }
  EXPECT_FALSE(service()["spec"]["selector"].contains(kClaimUidLabel));
}

TEST_F(ClaimPoolTest, ABadImageClosesItsTemplateAndAGoodOneOpensItAgain) {
  world_ = std::make_unique<ClaimWorld>(ClaimWorldOptions{.spares = 0});
  cluster().set_agent_info(R"({"agentContract": "1"})");
  world_->set_spares(1);
  auto status = [&] {
    for (TemplateStatus& each : pool().templates())
      if (each.name == "python-313") return each;
    return TemplateStatus{};
  };
  ASSERT_TRUE(world_->until([&] { return !status().available; }));
  EXPECT_NE(status().message.find("contract 1"), std::string::npos) << status().message;
  auto claimed = pool().claim(request());
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().reason, "template_unavailable");
  EXPECT_EQ(claimed.error().message, status().message);
  cluster().set_agent_info("{}");
  ASSERT_TRUE(world_->until([&] { return status().available; })) << status().message;
  EXPECT_EQ(status().runtime_version, "Python 3.13.0");
  claimed = pool().claim(request());
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_TRUE(world_->until([&] { return cluster().count_claims() == 2; })) << "bad ones are left";
}

TEST_F(ClaimPoolTest, AShortSecretIsRefused) {
  FakeCluster cluster;
  auto sources = sandbox::make_echo_store();
  auto opened = open_claim_pool(cluster.client(), *sources, {.install_secret = "short"});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace vibed::claims

namespace vibed::sandbox {
namespace {

INSTANTIATE_TEST_SUITE_P(Backends, SandboxPoolContract,
                         ::testing::Values(Backend{
                             "claims", [] { return std::make_unique<claims::ClaimWorld>(); }}),
                         [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace vibed::sandbox
