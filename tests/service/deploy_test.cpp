#include <atomic>
#include <thread>

#include "service/service_fixture.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

class Deploy : public ServiceFixture {
 protected:
  Result<DeployOutcome> deploy_with(const DeployMetadata& metadata, const TestArchive& archive) {
    return service().deploy(admin_, metadata, archive.archive(), {});
  }
};

TEST_F(Deploy, AnAppIsReadyWithAllItsMetadataInTheRecord) {
  start_lifecycle();
  DeployMetadata metadata = named("hello");
  metadata.entrypoint = "node server.js";
  metadata.env = {{"A", "1"}};
  metadata.allowed_hosts = {"example.org"};
  metadata.ttl = "1h";
  auto outcome = deploy_with(metadata, node_app());
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(outcome->ready);
  const App& app = outcome->app;
  EXPECT_EQ(app.status.phase, Phase::ready);
  EXPECT_FALSE(app.status.url.empty());
  EXPECT_EQ(app.spec.owner, "admin");
  EXPECT_EQ(app.labels.at("vibed.dev/owner"), "admin");
  EXPECT_EQ(app.spec.lane, "general");
  EXPECT_EQ(app.spec.template_name, "node-24");
  EXPECT_EQ(app.spec.entrypoint, "node server.js");
  EXPECT_EQ(app.spec.env, metadata.env);
  EXPECT_EQ(app.spec.allowed_hosts, metadata.allowed_hosts);
  EXPECT_EQ(app.spec.ttl, "1h");
  ASSERT_EQ(app.versions.size(), 1u);
  auto stored = sources_->list();
  ASSERT_EQ(stored->size(), 1u);
  EXPECT_EQ(stored->at(0).key, app.spec.source);
  EXPECT_EQ(app.versions[0].source_key, app.spec.source);
  EXPECT_EQ(app.versions[0].source_hash.size(), 64u);
}

TEST_F(Deploy, AStaticSiteGoesToTheFastLane) {
  start_lifecycle();
  auto outcome = deploy_with(named("site"), TestArchive(Files{{"index.html", "<h1>hello</h1>"}}));
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(outcome->ready);
  EXPECT_EQ(outcome->app.spec.lane, "fast");
  EXPECT_EQ(outcome->app.spec.template_name, "static-nginx");
}

TEST_F(Deploy, WhatIsWrongIsRefusedBeforeAnythingIsStored) {
  start_lifecycle();
  DeployMetadata unknown = named("a");
  unknown.template_name = "cobol-68";
  DeployMetadata unavailable = named("a");
  unavailable.template_name = "go-123";
  TestArchive worker(Files{{"worker.js", "export default {}"}});
  TestArchive bundle(Files{
      {"package.json", R"({"devDependencies":{"vite":"5"},"scripts":{"build":"vite build"}})"},
      {"index.html", "<script src=main.js></script>"}});
  TestArchive go(Files{{"go.mod", "module x"}, {"main.go", "package main"}});
  struct Case {
    DeployMetadata metadata;
    const TestArchive& archive;
    std::string word;
  };
  TestArchive good = node_app();
  TestArchive empty = TestArchive::of_bytes("");
  TestArchive rubbish = TestArchive::of_bytes("this is not gzip");
  const Case cases[] = {
      {named(""), good, "missing_name"},
      {named("Bad_Name"), good, "bad_name"},
      {named("../a"), good, "bad_name"},
      {named("a"), empty, "deploy_failed"},
      {named("a"), rubbish, "bad_archive"},
      {unknown, good, "unknown_template"},
      {unavailable, good, "template_unavailable"},
      {named("a"), go, "template_unavailable"},
      {named("a"), worker, "template_unavailable"},
      {named("a"), bundle, "build_required"},
  };
  for (const Case& wrong : cases) {
    auto outcome = deploy_with(wrong.metadata, wrong.archive);
    ASSERT_FALSE(outcome) << wrong.word;
    EXPECT_EQ(outcome.error().reason, wrong.word) << outcome.error().message;
    expect_nothing_stored();
  }
}

TEST_F(Deploy, AnArchiveOverTheLimitIsRefusedUnread) {
  Service::Archive large{[]() -> Result<std::unique_ptr<ByteSource>> {
                           ADD_FAILURE() << "it was read";
                           return Error{};
                         },
                         50ULL * 1024 * 1024 + 1};
  auto outcome = service().deploy(admin_, named("a"), large, {});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().reason, "payload_too_large");
  expect_nothing_stored();
}

TEST_F(Deploy, ATemplateThatIsNamedRunsWhatWouldHaveToBeBuilt) {
  start_lifecycle();
  TestArchive bundle(Files{
      {"package.json", R"({"devDependencies":{"vite":"5"},"scripts":{"build":"vite build"}})"},
      {"index.html", "x"}});
  DeployMetadata metadata = named("a");
  metadata.template_name = "static-nginx";
  auto outcome = deploy_with(metadata, bundle);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->app.spec.template_name, "static-nginx");
}

TEST_F(Deploy, AnAppThatFailsIsToldAtOnce) {
  start_lifecycle();
  Behaviour failing = behaviour(Behaviour::Kind::failed);
  failing.log_tail = {"Error: Cannot find module 'express'"};
  pool_->script("a", failing);
  auto began = Steady::now();
  auto outcome = deploy("a");
  EXPECT_LT(Steady::now() - began, 5s);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_FALSE(outcome->ready);
  EXPECT_EQ(outcome->app.status.phase, Phase::failed);
  const Condition* ready = find_condition(outcome->app.status, "Ready");
  ASSERT_NE(ready, nullptr);
  EXPECT_NE(ready->message.find("a dependency is missing: the Node module \"express\""),
            std::string::npos)
      << ready->message;
}

TEST_F(Deploy, AnAppThatTakesLongerThanTheBudgetIsNotReadyYet) {
  start_lifecycle();
  pool_->script("a", behaviour(Behaviour::Kind::never));
  service({.deploy_budget = 50ms});
  auto outcome = deploy("a");
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_FALSE(outcome->ready);
  EXPECT_NE(outcome->app.status.phase, Phase::failed);
}

TEST_F(Deploy, ARedeployWaitsForItsOwnGeneration) {
  start_lifecycle();
  service({.deploy_budget = 300ms});
  ASSERT_TRUE(deploy("a")->ready);
  pool_->script("a", behaviour(Behaviour::Kind::never));
  auto second = deploy("a", "2");
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->ready) << "the old generation being Ready is not an answer";
  EXPECT_EQ(second->app.status.phase, Phase::ready);
  EXPECT_EQ(second->app.status.observed_generation, 1);
  pool_->script("a", behaviour(Behaviour::Kind::listening));
  auto third = deploy("a", "3");
  ASSERT_TRUE(third);
  EXPECT_TRUE(third->ready);
  EXPECT_EQ(third->app.status.observed_generation, 3);
}

TEST_F(Deploy, AFailingRedeployIsToldAtOnceAndTheOldOneServes) {
  start_lifecycle();
  ASSERT_TRUE(deploy("a")->ready);
  pool_->script("a", behaviour(Behaviour::Kind::failed));
  auto began = Steady::now();
  auto second = deploy("a", "2");
  EXPECT_LT(Steady::now() - began, 5s);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->ready);
  EXPECT_EQ(second->app.status.phase, Phase::ready);
  EXPECT_EQ(second->app.status.observed_generation, 1);
}

TEST_F(Deploy, ADeployReplacesTheWholeSpecAndEndsASuspension) {
  start_lifecycle();
  DeployMetadata metadata = named("a");
  metadata.env = {{"A", "1"}};
  metadata.entrypoint = "x";
  metadata.ttl = "1h";
  ASSERT_TRUE(deploy_with(metadata, node_app())->ready);
  ASSERT_TRUE(service().suspend(admin_, "a"));
  auto outcome = deploy("a");
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->ready);
  EXPECT_TRUE(outcome->app.spec.env.empty());
  EXPECT_EQ(outcome->app.spec.entrypoint, "");
  EXPECT_EQ(outcome->app.spec.ttl, "30m");
  EXPECT_FALSE(outcome->app.spec.suspended);
}

TEST_F(Deploy, TwoAtOnceUnderOneNewNameBothCount) {
  start_lifecycle();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  service();
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      auto outcome = deploy("a", std::to_string(t));
      EXPECT_TRUE(outcome) << outcome.error().message;
      good += outcome && outcome->ready ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 2);
  App app = *apps_->get("a");
  EXPECT_EQ(app.versions.size(), 2u);
  EXPECT_EQ(app.versions[0].version, 1);
  EXPECT_EQ(app.versions[1].version, 2);
  EXPECT_EQ(app.spec.source, app.versions[1].source_key);
  EXPECT_EQ(sources_->list()->size(), 2u);
}

TEST_F(Deploy, ManyAtOnceAreAllLive) {
  start_lifecycle();
  service();
  TestArchive archive = node_app();
  std::atomic<int> live = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 4; ++i) {
        std::string name = "a" + std::to_string(t) + "-" + std::to_string(i);
        auto outcome = service().deploy(admin_, named(name), archive.archive(), {});
        live += outcome && outcome->ready ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(live, 48);
  EXPECT_EQ(service().list(admin_, 0, 0)->total, 48);
}

TEST_F(Deploy, AConflictIsReadAgainAndTriedAgain) {
  service({.deploy_budget = 0ms});
  ASSERT_TRUE(deploy("a"));
  std::string uid = apps_->get("a")->uid;
  // A lifecycle that writes all the time: every read of the service is soon out of date.
  std::jthread busy([&](const std::stop_token& stop) {
    AppStatus status;
    while (!stop.stop_requested()) {
      ++status.observed_generation;
      EXPECT_TRUE(apps_->write_status("a", uid, status));
    }
  });
  for (int i = 0; i < 20; ++i) {
    auto outcome = deploy("a", std::to_string(i));
    ASSERT_TRUE(outcome) << outcome.error().message;
  }
  busy.request_stop();
  busy.join();
  EXPECT_EQ(apps_->get("a")->versions.back().version, 21);
}

TEST_F(Deploy, ACallerWhoGoesAwayEndsTheWaitAndTheAppGoesOn) {
  start_lifecycle();
  pool_->script("a", behaviour(Behaviour::Kind::never));
  std::stop_source stop;
  TestArchive archive = node_app();
  service();
  std::thread waiting([&] {
    auto outcome = service().deploy(admin_, named("a"), archive.archive(), stop.get_token());
    EXPECT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::cancelled);
  });
  auto watch = apps_->watch(0);
  ASSERT_TRUE(watch->next({}, Steady::now() + 20s));
  stop.request_stop();
  waiting.join();
  EXPECT_TRUE(apps_->get("a"));
  std::stop_source early;
  early.request_stop();
  auto refused = service().deploy(admin_, named("b"), archive.archive(), early.get_token());
  EXPECT_EQ(refused.error().code, Errc::cancelled);
  EXPECT_EQ(sources_->list()->size(), 1u) << "who is gone already leaves nothing";
}

TEST_F(Deploy, AnAppRemovedInMidWaitIsADeployThatFailed) {
  start_lifecycle();
  pool_->script("a", behaviour(Behaviour::Kind::never));
  service();
  std::thread waiting([&] {
    auto outcome = deploy("a");
    EXPECT_FALSE(outcome);
    EXPECT_EQ(outcome.error().reason, "deploy_failed");
  });
  auto watch = apps_->watch(0);
  ASSERT_TRUE(watch->next({}, Steady::now() + 20s));
  ASSERT_TRUE(service().remove(admin_, "a", {}));
  waiting.join();
  expect_nothing_stored();
}

// Gives everything to another store and fails what it is told to.
class BrokenAppStore final : public AppStore {
 public:
  explicit BrokenAppStore(AppStore& inner) : inner_(inner) {}
  Result<App> create(const App&) override { return make(); }
  Result<App> get(const std::string& name) override { return inner_.get(name); }
  Result<App> find_by_label(const std::string& label) override {
    return inner_.find_by_label(label);
  }
  Result<AppPage> list(const std::string& owner, std::int64_t limit, std::int64_t offset) override {
    return inner_.list(owner, limit, offset);
  }
  Result<App> write_spec(const App&) override { return make(); }
  Result<App> write_status(const std::string& name, const std::string& uid,
                           const AppStatus& status) override {
    return inner_.write_status(name, uid, status);
  }
  Status remove(const std::string& name) override { return inner_.remove(name); }
  Status finish_remove(const std::string& name, const std::string& uid) override {
    return inner_.finish_remove(name, uid);
  }
  std::unique_ptr<AppWatch> watch(std::int64_t from) override { return inner_.watch(from); }

 private:
  static Error make() { return {Errc::resource_exhausted, "no space left", "storage_full"}; }
  AppStore& inner_;
};

TEST_F(Deploy, ARecordThatCannotBeWrittenLeavesNoSource) {
  BrokenAppStore broken(*apps_);
  Service over(broken, *sources_, *pool_, "vibed-apps");
  TestArchive archive = node_app();
  auto fresh = over.deploy(admin_, named("a"), archive.archive(), {});
  ASSERT_FALSE(fresh);
  EXPECT_EQ(fresh.error().reason, "storage_full");
  expect_nothing_stored();
  service({.deploy_budget = 0ms});
  ASSERT_TRUE(deploy("a"));
  EXPECT_FALSE(over.deploy(admin_, named("a"), archive.archive(), {}));
  EXPECT_EQ(sources_->list()->size(), 1u);
  EXPECT_EQ(apps_->get("a")->versions.size(), 1u);
}

}  // namespace
}  // namespace vibed
