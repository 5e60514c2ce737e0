#include "service/service.hpp"

#include <atomic>
#include <set>
#include <thread>

#include "service/service_fixture.hpp"
#include "service/sweep_sources.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

class ServiceTest : public ServiceFixture {
 protected:
  Result<DeployOutcome> deploy_as(const Caller& caller, const std::string& name) {
    return service().deploy(caller, named(name), node_app().archive(), {});
  }
};

TEST_F(ServiceTest, SomebodyElsesAppIsNotThere) {
  start_lifecycle();
  ASSERT_TRUE(deploy_as(anna_, "a"));
  for (const Caller& other : {bob_, admin_}) {
    EXPECT_EQ(service().get(other, "a").error().reason, "not_found");
    EXPECT_EQ(service().list(other, 0, 0)->total, 0);
    EXPECT_EQ(service().suspend(other, "a").error().reason, "not_found");
    EXPECT_EQ(service().resume(other, "a").error().reason, "not_found");
    EXPECT_EQ(service().versions(other, "a").error().reason, "not_found");
    EXPECT_EQ(service().rollback(other, "a", 1, {}).error().reason, "not_found");
    EXPECT_EQ(service().logs(other, "a", {}).error().reason, "not_found");
    EXPECT_EQ(service().remove(other, "a", {}).error().reason, "not_found");
    auto redeployed = service().redeploy(other, named("a"), node_app().archive(), {});
    EXPECT_EQ(redeployed.error().reason, "not_found");
  }
  EXPECT_TRUE(service().get(anna_, "a"));
  EXPECT_EQ(sources_->list()->size(), 1u);
}

TEST_F(ServiceTest, ADeployOntoSomebodyElsesNameIsForbiddenAndChangesNothing) {
  start_lifecycle();
  ASSERT_TRUE(deploy_as(anna_, "a"));
  App before = *apps_->get("a");
  auto refused = deploy_as(bob_, "a");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_EQ(*apps_->get("a"), before);
  EXPECT_EQ(sources_->list()->size(), 1u);
}

TEST_F(ServiceTest, AnAdminWhoDeploysOntoAnAppOwnsIt) {
  start_lifecycle();
  ASSERT_TRUE(deploy_as(anna_, "a"));
  ASSERT_TRUE(deploy_as(admin_, "a"));
  EXPECT_EQ(apps_->get("a")->spec.owner, "admin");
  EXPECT_EQ(service().get(anna_, "a").error().reason, "not_found");
}

TEST_F(ServiceTest, WithoutAUserNothingIsListed) {
  start_lifecycle();
  ASSERT_TRUE(deploy_as(anna_, "a"));
  EXPECT_EQ(service().list({"", false}, 0, 0).error().code, Errc::unauthenticated);
}

TEST_F(ServiceTest, ARedeployNeedsAnApp) {
  auto outcome = service().redeploy(admin_, named("a"), node_app().archive(), {});
  EXPECT_EQ(outcome.error().reason, "not_found");
  expect_nothing_stored();
}

TEST_F(ServiceTest, TwentyVersionsAreKeptAndTheSourcesOfTheOthersGo) {
  service({.deploy_budget = 0ms});
  for (int i = 1; i <= 23; ++i) ASSERT_TRUE(deploy("a", std::to_string(i)));
  auto versions = service().versions(admin_, "a");
  ASSERT_TRUE(versions);
  ASSERT_EQ(versions->size(), 20u);
  EXPECT_EQ(versions->front().version, 23) << "newest first";
  EXPECT_EQ(versions->back().version, 4);
  std::set<std::string> keys;
  for (const AppVersion& version : *versions) keys.insert(version.source_key);
  std::set<std::string> stored;
  const auto sources = *sources_->list();
  for (const StoredSource& source : sources) stored.insert(source.key);
  EXPECT_EQ(stored, keys);
}

TEST_F(ServiceTest, ARollbackIsANewHeadOverTheOldSource) {
  start_lifecycle();
  DeployMetadata metadata = named("a");
  metadata.env = {{"OLD", "1"}};
  ASSERT_TRUE(service().deploy(admin_, metadata, node_app("1").archive(), {})->ready);
  metadata.env = {{"NEW", "1"}};
  ASSERT_TRUE(service().deploy(admin_, metadata, node_app("2").archive(), {})->ready);
  auto outcome = service().rollback(admin_, "a", 1, {});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(outcome->ready);
  const App& app = outcome->app;
  ASSERT_EQ(app.versions.size(), 3u);
  EXPECT_EQ(app.versions[2].version, 3);
  EXPECT_EQ(app.versions[2].rolled_back_from, 1);
  EXPECT_EQ(app.versions[2].source_hash, app.versions[0].source_hash);
  EXPECT_EQ(app.spec.source, app.versions[0].source_key);
  EXPECT_EQ(app.spec.env, metadata.env) << "only source, template and lane go back";
  EXPECT_EQ(app.status.observed_generation, 3);
  EXPECT_EQ(sources_->list()->size(), 2u);
}

TEST_F(ServiceTest, ASourceARollbackUsesOutlivesItsFirstVersion) {
  service({.deploy_budget = 0ms, .versions_kept = 3});
  ASSERT_TRUE(deploy("a", "1"));
  std::string first = apps_->get("a")->spec.source;
  ASSERT_TRUE(deploy("a", "2"));
  ASSERT_TRUE(service().rollback(admin_, "a", 1, {}));
  for (int i = 3; i <= 4; ++i) ASSERT_TRUE(deploy("a", std::to_string(i)));
  EXPECT_EQ(service().versions(admin_, "a")->back().version, 3);
  EXPECT_TRUE(sources_->open(first)) << "version 3 is a rollback to it";
  ASSERT_TRUE(deploy("a", "5"));
  EXPECT_EQ(sources_->open(first).error().code, Errc::not_found);
}

TEST_F(ServiceTest, AVersionThatIsNotKeptCannotBeRolledBackTo) {
  service({.deploy_budget = 0ms});
  ASSERT_TRUE(deploy("a"));
  for (std::int64_t version : {0, 2, -1}) {
    EXPECT_EQ(service().rollback(admin_, "a", version, {}).error().reason, "rollback_failed");
  }
  EXPECT_EQ(apps_->get("a")->versions.size(), 1u);
}

TEST_F(ServiceTest, ARollbackOfASuspendedAppDoesNotWaitForNothing) {
  start_lifecycle();
  ASSERT_TRUE(deploy("a", "1"));
  ASSERT_TRUE(deploy("a", "2"));
  ASSERT_TRUE(service().suspend(admin_, "a"));
  auto began = Steady::now();
  auto outcome = service().rollback(admin_, "a", 1, {});
  EXPECT_LT(Steady::now() - began, 5s);
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->ready);
  EXPECT_TRUE(outcome->app.spec.suspended);
}

TEST_F(ServiceTest, SuspendingAndResumingTwiceIsOneWriteEach) {
  service({.deploy_budget = 0ms});
  ASSERT_TRUE(deploy("a"));
  App suspended = *service().suspend(admin_, "a");
  EXPECT_TRUE(suspended.spec.suspended);
  EXPECT_EQ(suspended.generation, 2);
  EXPECT_EQ(*service().suspend(admin_, "a"), suspended);
  App resumed = *service().resume(admin_, "a");
  EXPECT_FALSE(resumed.spec.suspended);
  EXPECT_EQ(*service().resume(admin_, "a"), resumed);
  EXPECT_EQ(resumed.spec.source, suspended.spec.source);
}

TEST_F(ServiceTest, ARemovedAppIsGoneWithItsSourcesAndSandboxes) {
  start_lifecycle();
  ASSERT_TRUE(deploy("a", "1")->ready);
  ASSERT_TRUE(deploy("a", "2")->ready);
  ASSERT_TRUE(service().remove(admin_, "a", {}));
  EXPECT_EQ(service().get(admin_, "a").error().reason, "not_found");
  EXPECT_EQ(service().remove(admin_, "a", {}).error().reason, "not_found");
  expect_nothing_stored();
}

TEST_F(ServiceTest, RemovingWaitsNoLongerThanItsBudget) {
  service({.deploy_budget = 0ms, .remove_budget = 20ms});
  ASSERT_TRUE(deploy("a"));
  ASSERT_TRUE(service().remove(admin_, "a", {})) << "nobody releases it: there is no lifecycle";
  EXPECT_TRUE(apps_->get("a")->removed_at);
  EXPECT_TRUE(sources_->list()->empty());
  EXPECT_EQ(service().suspend(admin_, "a").error().reason, "not_found");
  auto again = deploy("a");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::conflict);
  EXPECT_TRUE(sources_->list()->empty());
}

TEST_F(ServiceTest, ADeployOntoANameThatIsBeingReleasedWaitsForIt) {
  service({.deploy_budget = 0ms});
  ASSERT_TRUE(deploy("a"));
  std::string uid = apps_->get("a")->uid;
  ASSERT_TRUE(apps_->remove("a"));
  std::thread deploying([&] {
    auto outcome = deploy("a", "2");
    EXPECT_TRUE(outcome) << outcome.error().message;
  });
  ASSERT_TRUE(apps_->finish_remove("a", uid));
  deploying.join();
  EXPECT_NE(apps_->get("a")->uid, uid);
  EXPECT_EQ(apps_->get("a")->versions.size(), 1u);
}

TEST_F(ServiceTest, LogsComeFromWhatServesAndASlotIsGivenBack) {
  start_lifecycle();
  service({.log_streams_per_user = 2, .log_streams = 3});
  ASSERT_TRUE(deploy("a")->ready);
  ASSERT_TRUE(deploy_as(anna_, "b")->ready);
  auto serving = pool_->observe(apps_->get("a")->uid).at(0).id;
  pool_->log(serving, {{}, "stdout", "hello"});
  LogRequest follow{200, true};
  auto one = service().logs(admin_, "a", follow);
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ((*one)->next({}, Steady::now() + 20s).ok(), true);
  auto two = service().logs(admin_, "a", follow);
  ASSERT_TRUE(two);
  EXPECT_EQ(service().logs(admin_, "a", follow).error().reason, "too_many_log_streams");
  auto three = service().logs(anna_, "b", follow);
  ASSERT_TRUE(three) << "another user is unaffected";
  EXPECT_EQ(service().logs(anna_, "b", follow).error().reason, "too_many_log_streams")
      << "all slots are taken";
  *one = nullptr;
  EXPECT_TRUE(service().logs(admin_, "a", follow)) << "and given back";
  *two = nullptr;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(service().logs(admin_, "a", follow));
}

TEST_F(ServiceTest, AnAppWithoutASandboxHasNoLogsAndTakesNoSlot) {
  service({.deploy_budget = 0ms, .log_streams = 1});
  ASSERT_TRUE(deploy("a"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(service().logs(admin_, "a", {}).error().reason, "not_found");
  }
}

TEST_F(ServiceTest, AnAppIsFoundByItsLabelWhoeverOwnsIt) {
  service({.deploy_budget = 0ms});
  ASSERT_TRUE(deploy_as(anna_, "a"));
  EXPECT_EQ(service().find_by_label(app_label("vibed-apps", "a"))->name, "a");
}

TEST_F(ServiceTest, TheSweepRemovesOldSourcesThatNoRecordNames) {
  service({.deploy_budget = 0ms});
  ASSERT_TRUE(deploy("a", "1"));
  ASSERT_TRUE(deploy("a", "2"));
  auto bytes = make_memory_source("left by a crash");
  auto orphan = sources_->put("gone", 1, *bytes);
  auto now = std::chrono::system_clock::now();
  EXPECT_EQ(*sweep_sources(*apps_, *sources_, now - 1h), 0u) << "a deploy may be about to name it";
  EXPECT_TRUE(sources_->open(orphan->key));
  EXPECT_EQ(*sweep_sources(*apps_, *sources_, now + 1h), 1u);
  EXPECT_FALSE(sources_->open(orphan->key));
  EXPECT_EQ(sources_->list()->size(), 2u);
}

TEST_F(ServiceTest, TheSweepLeavesWhatARecordNamesByAnOldUrl) {
  auto bytes = make_memory_source("of the Go system");
  auto stored = sources_->put("old", 1, *bytes);
  service({.deploy_budget = 0ms});
  ASSERT_TRUE(deploy("a", "1"));
  auto app = apps_->get("a");
  ASSERT_TRUE(app);
  app->spec.source = "https://b.s3.test/" + stored->key + ".tar.gz?X-Amz-Signature=00/x";
  ASSERT_TRUE(apps_->write_spec(*app));
  EXPECT_EQ(*sweep_sources(*apps_, *sources_, std::chrono::system_clock::now() + 1h), 0u);
  EXPECT_TRUE(sources_->open(stored->key));
}

TEST_F(ServiceTest, DeploysSuspensionsAndRemovalsAtOnceEndWithNothingLeftOver) {
  start_lifecycle();
  service({.deploy_budget = 100ms});
  TestArchive archive = node_app();
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::string name = "a" + std::to_string(t % 2);
      for (int i = 0; i < 12; ++i) {
        switch ((t + i) % 4) {
          case 0:
          case 1: (void)service().deploy(admin_, named(name), archive.archive(), {}); break;
          case 2: (void)service().suspend(admin_, name); break;
          case 3: (void)service().remove(admin_, name, {}); break;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const char* name : {"a0", "a1"}) (void)service().remove(admin_, name, {});
  expect_nothing_stored();
}

}  // namespace
}  // namespace vibed
