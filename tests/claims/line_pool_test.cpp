// Apps that stand in line because no more claims may boot at once.
#include "claim_world.hpp"

namespace vibed::claims {
namespace {

class ClaimLineTest : public ClaimPoolTest {
 protected:
  static SandboxRequest request_of(const std::string& owner, int number) {
    SandboxRequest wanted = request(1, owner + "-" + std::to_string(number));
    wanted.owner = owner;
    return wanted;
  }

  Sandbox claim(const std::string& owner, int number) {
    auto claimed = pool().claim(request_of(owner, number));
    EXPECT_TRUE(claimed) << claimed.error().message;
    return claimed ? *claimed : Sandbox{};
  }

  // The one sandbox of that app, whatever its id has become.
  Sandbox of(const std::string& app) {
    const auto all = pool().observe("uid-" + app);
    return all.size() == 1 ? all.front() : Sandbox{};
  }

  bool is_waiting(const std::string& app) { return of(app).reason == "InLine"; }

  TemplateStatus python() {
    for (const TemplateStatus& status : pool().templates())
      if (status.name == "python-313") return status;
    return {};
  }
};

TEST_F(ClaimLineTest, BeyondTheMostThatBootNoClaimIsMadeAndOwnersTakeTurns) {
  make({.spares = 0, .booting_most = 2, .spares_most = 0});
  cluster().hold(true);
  for (int i = 0; i < 4; ++i) claim("many", i);
  const Sandbox last = claim("one", 0);
  EXPECT_EQ(cluster().count_claims(), 2);
  EXPECT_FALSE(is_waiting("many-0") || is_waiting("many-1"));
  EXPECT_TRUE(is_waiting("many-2") && is_waiting("many-3") && is_waiting("one-0"));
  EXPECT_EQ(last.phase, SandboxPhase::pending);
  EXPECT_NE(last.message.find("in line"), std::string::npos) << last.message;
  EXPECT_EQ(python().waiting, 3);
  EXPECT_EQ(pool().observe_all().size(), 5U);
  // One place becomes free: who has none booting goes before who has one.
  ASSERT_TRUE(pool().release(of("many-0").id));
  ASSERT_TRUE(ClaimWorld::until([&] { return of("one-0").reason != "InLine"; }));
  EXPECT_TRUE(is_waiting("many-2") && is_waiting("many-3"));
  cluster().hold(false);
  for (const char* app : {"many-1", "many-2", "many-3", "one-0"})
    EXPECT_TRUE(ClaimWorld::until([&] { return of(app).phase == SandboxPhase::bound; })) << app;
  EXPECT_EQ(python().waiting, 0);
  EXPECT_EQ(python().hits, 0) << "who waited in line has missed the pool";
  EXPECT_EQ(python().misses, 5);
  EXPECT_TRUE(ClaimWorld::until([&] { return cluster().count_claims() == 4; }));
}

TEST_F(ClaimLineTest, ASpareGoesToWhoIsFirstInLine) {
  make({.spares = 0, .booting_most = 1, .spares_most = 0});
  cluster().hold(true);
  claim("many", 0);
  claim("many", 1);
  claim("one", 0);
  ASSERT_TRUE(is_waiting("many-1") && is_waiting("one-0"));
  const kube::Json spare = spare_claim(FakeCluster::kSpace, "spare-x", "python-313", "python-313",
                                       std::chrono::system_clock::now() + 10min);
  ASSERT_TRUE(cluster().client().create(sandbox_claims(), spare));
  cluster().write_status(
      "spare-x", {{"sandbox", {{"name", "pod-x"}, {"podIPs", {"127.88.0.1"}}}},
                  {"conditions", {{{"type", "Ready"}, {"status", "True"}, {"reason", "Ready"}}}}});
  EXPECT_TRUE(ClaimWorld::until([&] { return of("one-0").id == "spare-x"; })) << of("one-0").id;
  EXPECT_TRUE(is_waiting("many-1"));
  cluster().hold(false);
}

TEST_F(ClaimLineTest, WhoAsksAgainKeepsThePlaceAndWhoLeavesLosesIt) {
  make({.spares = 0, .booting_most = 1, .spares_most = 0});
  cluster().hold(true);
  claim("a", 0);
  const Sandbox waiting = claim("a", 1);
  EXPECT_EQ(claim("a", 1).id, waiting.id);
  EXPECT_EQ(python().waiting, 1);
  EXPECT_FALSE(pool().inject(waiting.id, {"listen", "", {}}));
  EXPECT_TRUE(pool().release(waiting.id));
  EXPECT_TRUE(pool().release(waiting.id));
  EXPECT_EQ(python().waiting, 0);
  EXPECT_TRUE(pool().observe("uid-a-1").empty());
  ASSERT_TRUE(pool().release(of("a-0").id));
  cluster().hold(false);
  EXPECT_TRUE(ClaimWorld::until([&] { return cluster().count_claims() == 0; }));
}

TEST_F(ClaimLineTest, WhatIsRefusedInTurnIsToldToWhoAsksNext) {
  make({.spares = 0, .booting_most = 1, .spares_most = 0});
  cluster().hold(true);
  claim("a", 0);
  claim("a", 1);
  claim("b", 0);
  claim("b", 1);
  cluster().api().inject({.what = testing::Fault::What::refuse,
                          .times = 1,
                          .method = "POST",
                          .path = "sandboxclaims",
                          .refusal = {403, "Forbidden", "exceeded quota: claims", {}}});
  ASSERT_TRUE(pool().release(of("a-0").id));  // a-1 is next, and is refused; then b-0
  ASSERT_TRUE(ClaimWorld::until([&] { return !is_waiting("b-0"); }));
  EXPECT_TRUE(pool().observe("uid-a-1").empty());
  auto again = pool().claim(request_of("a", 1));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "pool_exhausted");
  EXPECT_TRUE(pool().claim(request_of("a", 1))) << "told once, it stands in line again";
  EXPECT_TRUE(is_waiting("a-1"));
  cluster().hold(false);
  for (const char* app : {"a-1", "b-0", "b-1"})
    EXPECT_TRUE(ClaimWorld::until([&] { return of(app).phase == SandboxPhase::bound; })) << app;
}

}  // namespace
}  // namespace vibed::claims
