// What is decided about claims, without a cluster.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/hmac.hpp"
#include "base/time.hpp"
#include "claims/claim.hpp"
#include "claims/manifests.hpp"
#include "claims/names.hpp"
#include "claims/spares.hpp"

namespace vibed::claims {
namespace {

using namespace std::chrono_literals;

const Time kNow = *parse_rfc3339("2026-11-22T12:00:00Z");

SandboxRequest request(std::int64_t generation = 1, const std::string& app = "web") {
  return {app, "uid-" + app, "label-" + app, generation, "node-24"};
}

Claim spare(const std::string& name, Time created = kNow - 60s, Stage stage = Stage::ready) {
  Claim claim;
  claim.name = name;
  claim.uid = "uid-of-" + name;
  claim.version = "7";
  claim.created = created;
  claim.template_name = "node-24";
  claim.spare = true;
  claim.stage = stage;
  claim.shutdown = kNow + 600s;
  return claim;
}

Claim mine(const std::string& name, Time created = kNow - 60s) {
  Claim claim = spare(name, created);
  claim.spare = false;
  claim.shutdown = {};
  claim.app = "web";
  claim.app_uid = "uid-web";
  claim.generation = 1;
  return claim;
}

TEST(Names, AreThoseOfAgentSandboxAndTheGoSystem) {
  // agent-sandbox.md 1.7
  EXPECT_EQ(name_hash(""), "811c9dc5");
  EXPECT_EQ(name_hash("abc"), "1a47e90b");
  EXPECT_EQ(name_hash("my-sandbox"), "374de8f5");
  EXPECT_EQ(name_hash("python-sandbox-pool"), "00375482");
  EXPECT_EQ(service_name("k3v0abc12345"), "vibed-app-k3v0abc12345");
}

TEST(Names, TheTokenIsAnHmacOfTheClaim) {
  // RFC 4231, test case 2.
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(agent_token("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_NE(agent_token("secret", "a"), agent_token("secret", "b"));
}

TEST(InstallSecret, HasAtLeastTheBytesOfItsHash) {
  EXPECT_TRUE(check_install_secret(std::string(32, 's')));
  auto weak = check_install_secret(std::string(31, 's'));
  ASSERT_FALSE(weak);
  EXPECT_EQ(weak.error().reason, "bad_config");
}

Json bound_claim() {
  Json object = app_claim("apps", "app-1", "node-pool", request(3));
  object["metadata"]["uid"] = "u1";
  object["metadata"]["resourceVersion"] = "12";
  object["metadata"]["creationTimestamp"] = "2026-11-22T12:00:00Z";
  object["status"] = {
      {"conditions",
       Json::array({{{"type", "Finished"}, {"status", "False"}},
                    {{"type", "Ready"}, {"status", "True"}, {"reason", "DependenciesReady"}}})},
      {"sandbox", {{"name", "node-pool-x7f2k"}, {"podIPs", {"10.78.0.5", "fd00::5"}}}}};
  return object;
}

TEST(ReadClaim, SaysWhoseItIsAndWhereItsPodIs) {
  Claim claim = read_claim(bound_claim());
  EXPECT_EQ(claim.name, "app-1");
  EXPECT_EQ(claim.uid, "u1");
  EXPECT_EQ(claim.version, "12");
  EXPECT_EQ(claim.created, kNow);
  EXPECT_EQ(claim.template_name, "node-24");
  EXPECT_FALSE(claim.spare);
  EXPECT_EQ(claim.app, "web");
  EXPECT_EQ(claim.app_uid, "uid-web");
  EXPECT_EQ(claim.label, "label-web");
  EXPECT_EQ(claim.generation, 3);
  EXPECT_EQ(claim.stage, Stage::ready);
  EXPECT_EQ(claim.sandbox, "node-pool-x7f2k");
  EXPECT_EQ(claim.address, "10.78.0.5");
}

TEST(ReadClaim, IsReadyOnlyWithNameAddressAndCondition) {
  Json object = bound_claim();
  object["status"]["sandbox"].erase("podIPs");
  EXPECT_EQ(read_claim(object).stage, Stage::pending);
  object = bound_claim();
  object["status"]["sandbox"]["name"] = "";
  EXPECT_EQ(read_claim(object).stage, Stage::pending);
  object = bound_claim();
  object["status"]["conditions"][1]["status"] = "False";
  EXPECT_EQ(read_claim(object).stage, Stage::pending);
  object.erase("status");
  EXPECT_EQ(read_claim(object).stage, Stage::pending);
  EXPECT_EQ(read_claim(Json()).stage, Stage::pending);
}

TEST(ReadClaim, TellsWhatCannotBeFromWhatIsOverAndWhatMayStillCome) {
  auto stage = [](const char* reason) {
    Json object = bound_claim();
    object["status"]["conditions"][1]["status"] = "False";
    object["status"]["conditions"][1]["reason"] = reason;
    return read_claim(object).stage;
  };
  for (auto* reason : {"InvalidMetadata", "EnvVarsInjectionRejected", "VolumeClaimTemplatesError"})
    EXPECT_EQ(stage(reason), Stage::refused) << reason;
  for (auto* reason :
       {"ClaimExpired", "SandboxExpired", "PodSucceeded", "PodFailed", "SandboxSuspended"})
    EXPECT_EQ(stage(reason), Stage::over) << reason;
  for (auto* reason : {"SandboxNotReady", "SandboxMissing", "WarmPoolNotFound", "TemplateNotFound",
                       "AdoptionConflict", "SandboxCreatePending", "ReconcilerError",
                       "DependenciesNotReady", "MultiplePods", "SomethingNew"})
    EXPECT_EQ(stage(reason), Stage::pending) << reason;
  Json going = bound_claim();
  going["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z";
  EXPECT_EQ(read_claim(going).stage, Stage::over);
}

TEST(ReadClaim, ASpareIsNobodysWhateverElseItsLabelsSay) {
  Json object = bound_claim();
  object["metadata"]["labels"][kSpareLabel] = "true";
  Claim claim = read_claim(object);
  EXPECT_TRUE(claim.spare);
  EXPECT_FALSE(claim.assigned());
  EXPECT_EQ(claim.generation, 0);
}

TEST(Choose, TheAppsOwnClaimFirstAndTheOlderOfTwo) {
  std::vector<Claim> claims = {spare("s"), mine("young", kNow - 10s), mine("old", kNow - 20s)};
  Choice choice = choose(claims, request(), kNow, 30s);
  EXPECT_EQ(choice.what, Choice::What::use);
  EXPECT_EQ(choice.claim, "old");
  EXPECT_EQ(choice.superfluous, std::vector<std::string>{"young"});
  claims[2].stage = Stage::over;
  EXPECT_EQ(choose(claims, request(), kNow, 30s).claim, "young")
      << "one that is over does not count";
  EXPECT_EQ(choose(claims, request(2), kNow, 30s).what, Choice::What::take) << "another generation";
}

TEST(Choose, TheOldestReadySpareOfTheTemplateThatLasts) {
  Claim other = spare("other", kNow - 500s);
  other.template_name = "python-313";
  Claim ending = spare("ending", kNow - 400s);
  ending.shutdown = kNow + 20s;
  std::vector<Claim> claims = {spare("b", kNow - 100s), other, ending, spare("a", kNow - 200s),
                               spare("pending", kNow - 300s, Stage::pending)};
  Choice choice = choose(claims, request(), kNow, 30s);
  EXPECT_EQ(choice.what, Choice::What::take);
  EXPECT_EQ(choice.claim, "a");
  EXPECT_EQ(choice.candidates, std::vector<std::string>{"b"});
  EXPECT_EQ(choose({other, ending}, request(), kNow, 30s).what, Choice::What::create);
}

TEST(Choose, DoesNotDependOnTheOrderOfClaims) {
  std::vector<Claim> claims = {spare("a"), spare("b"), mine("c"), mine("d"),
                               spare("e", kNow - 300s)};
  std::minstd_rand random(1);
  for (int i = 0; i < 200; ++i) {
    std::shuffle(claims.begin(), claims.end(), random);
    EXPECT_EQ(choose(claims, request(), kNow, 30s).claim, "c");
    EXPECT_EQ(choose(claims, request(2), kNow, 30s).claim, "e");
  }
}

TEST(Demand, IsWhatWasClaimedWithinTheWindow) {
  SpareRules rules;
  rules.most = 4;
  Demand demand;
  EXPECT_EQ(demand.wanted(rules, kNow), 1) << "the least";
  for (int i = 0; i < 3; ++i) demand.note(kNow + i * 1s);
  EXPECT_EQ(demand.wanted(rules, kNow + 3s), 3);
  for (int i = 0; i < 9; ++i) demand.note(kNow + 4s);
  EXPECT_EQ(demand.wanted(rules, kNow + 4s), 4) << "the most";
  EXPECT_EQ(demand.wanted(rules, kNow + 60s), 1) << "they are old";
}

TEST(SpareRules, TheTimesThatFollowFromALifetime) {
  const SpareRules usual;
  const SpareRules same = with_lifetime(usual, usual.lifetime);
  EXPECT_EQ(same.renew_before, usual.renew_before);
  EXPECT_EQ(same.take_margin, usual.take_margin);
  const SpareRules brief = with_lifetime(usual, 5s);
  EXPECT_EQ(brief.lifetime, 5s);
  EXPECT_EQ(brief.renew_before, 2s);
  EXPECT_EQ(brief.take_margin, 1s) << "none is given away at its last moment";
  EXPECT_LT(brief.take_margin, brief.renew_before);
}

TEST(PlanSpares, FillsUpAndTrims) {
  SpareRules rules;
  SparePlan plan = plan_spares({spare("a")}, {{"node-24", 3}, {"go-123", 1}}, kNow, rules);
  EXPECT_EQ(plan.create, (std::map<std::string, int>{{"node-24", 2}, {"go-123", 1}}));
  EXPECT_TRUE(plan.remove.empty());
  EXPECT_EQ(plan.next, kNow + 600s - rules.renew_before);
  plan = plan_spares(
      {spare("old", kNow - 90s), spare("new", kNow - 10s), spare("pending", kNow, Stage::pending)},
      {{"node-24", 1}}, kNow, rules);
  EXPECT_EQ(plan.remove, (std::vector<std::string>{"old", "pending"}));
  EXPECT_TRUE(plan.create.empty());
}

TEST(PlanSpares, RenewsGivesUpAndLeavesAppsAlone) {
  SpareRules rules;
  Claim ending = spare("ending");
  ending.shutdown = kNow + rules.renew_before;
  Claim never = spare("never", kNow - rules.give_up, Stage::pending);
  Claim refused = spare("refused", kNow, Stage::refused);
  Claim over = spare("over", kNow, Stage::over);
  Claim stranger = spare("stranger");
  stranger.template_name = "gone";
  SparePlan plan = plan_spares({ending, never, refused, over, stranger, mine("app")},
                               {{"node-24", 1}}, kNow, rules);
  EXPECT_EQ(plan.renew, std::vector<std::string>{"ending"});
  EXPECT_EQ(plan.remove, (std::vector<std::string>{"never", "refused", "stranger"}));
  EXPECT_TRUE(plan.create.empty());
}

// Whatever there is: after the plan was carried out nothing is left to do.
TEST(PlanSpares, ConvergesInOneTurn) {
  std::minstd_rand random(7);
  SpareRules rules;
  for (int round = 0; round < 2000; ++round) {
    std::map<std::string, int> wanted = {{"node-24", static_cast<int>(random() % 4)}};
    std::vector<Claim> claims;
    for (unsigned i = 0; i < random() % 6; ++i) {
      Claim claim = spare("c" + std::to_string(i), kNow - std::chrono::seconds(random() % 300),
                          static_cast<Stage>(random() % 4));
      claim.shutdown = kNow + std::chrono::seconds(random() % 600);
      claims.push_back(claim);
    }
    SparePlan plan = plan_spares(claims, wanted, kNow, rules);
    std::erase_if(claims, [&](const Claim& claim) {
      return claim.stage == Stage::over ||
             std::find(plan.remove.begin(), plan.remove.end(), claim.name) != plan.remove.end();
    });
    for (Claim& claim : claims)
      if (std::find(plan.renew.begin(), plan.renew.end(), claim.name) != plan.renew.end())
        claim.shutdown = kNow + rules.lifetime;
    for (int i = 0; i < plan.create["node-24"]; ++i)
      claims.push_back(spare("new" + std::to_string(i), kNow, Stage::pending));
    SparePlan again = plan_spares(claims, wanted, kNow, rules);
    EXPECT_TRUE(again.remove.empty() && again.renew.empty() && again.create.empty()) << round;
    EXPECT_EQ(claims.size(), static_cast<std::size_t>(wanted["node-24"])) << round;
  }
}

TEST(Manifests, AClaimOfAnAppBelongsToItAndNeverEndsByItself) {
  Json claim = app_claim("apps", "c", "node-pool", request());
  EXPECT_EQ(kube::text_at(claim, {"apiVersion"}), "extensions.agents.x-k8s.io/v1beta1");
  EXPECT_EQ(kube::text_at(claim, {"spec", "warmPoolRef", "name"}), "node-pool");
  EXPECT_FALSE(claim["spec"].contains("lifecycle"));
  EXPECT_FALSE(claim["spec"].contains("env")) << "it would force a cold start";
  EXPECT_EQ(kube::text_at(claim["metadata"]["ownerReferences"][0], {"uid"}), "uid-web");
}

TEST(Manifests, TakingASpareTakesItsEndAwayInTheSamePatch) {
  Json object = spare_claim("apps", "s", "node-pool", "node-24", kNow + 600s);
  EXPECT_EQ(read_claim(object).shutdown, kNow + 600s);
  object["metadata"]["resourceVersion"] = "9";
  Claim claim = read_claim(object);
  Json patch = take_patch(claim, request(2));
  EXPECT_EQ(kube::text_at(patch, {"metadata", "resourceVersion"}), "9");
  object.merge_patch(patch);
  Claim taken = read_claim(object);
  EXPECT_FALSE(taken.spare);
  EXPECT_EQ(taken.shutdown, Time{});
  EXPECT_EQ(taken.app_uid, "uid-web");
  EXPECT_EQ(taken.generation, 2);
  EXPECT_EQ(taken.template_name, "node-24");
}

TEST(Manifests, AServiceSelectsNobodyThenOnePod) {
  Json service = app_service("apps", request());
  Claim claim = read_claim(bound_claim());
  EXPECT_FALSE(selects(service, claim));
  service = service.patch(select_patch(kClaimUidLabel, claim.uid));
  EXPECT_TRUE(selects(service, claim));
  service = service.patch(select_patch(kNameHashLabel, name_hash(claim.sandbox)));
  EXPECT_TRUE(selects(service, claim));
  EXPECT_EQ(service["spec"]["selector"].size(), 1U) << "the old key is gone";
  service = service.patch(select_nothing_patch());
  EXPECT_FALSE(selects(service, claim));
}

TEST(Manifests, ASliceHoldsOnlyThatPodWhenNothingElseIsInIt) {
  Json endpoint = {{"conditions", {{"ready", true}}}, {"targetRef", {{"uid", "pod"}}}};
  EXPECT_TRUE(holds_only({{"endpoints", {endpoint}}}, "pod"));
  EXPECT_FALSE(holds_only({{"endpoints", {endpoint}}}, "other"));
  EXPECT_FALSE(holds_only({{"endpoints", {endpoint, endpoint}}}, "pod"));
  EXPECT_FALSE(holds_only({{"endpoints", nullptr}}, "pod"));
  endpoint["conditions"]["ready"] = false;
  EXPECT_FALSE(holds_only({{"endpoints", {endpoint}}}, "pod"));
}

}  // namespace
}  // namespace vibed::claims
