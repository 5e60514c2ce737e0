// What is special to records in Kubernetes: requests, other writers, objects that others have made,
// and everything that can happen on the way.
#include "app/kubernetes_app_store.hpp"

#include <gtest/gtest.h>

#include <latch>

#include "app/kubernetes_record.hpp"
#include "app/kubernetes_world.hpp"

namespace vibed {
namespace {

using kube::Json;
using testing::Fault;
using What = Fault::What;
using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

App make_app(const std::string& name) {
  App app;
  app.name = name;
  app.labels = {{"vibed.dev/owner", "anna"}};
  app.versions = {{1, Time{1h}, "node-24", "general", "hash", name + ".key", 0}};
  app.spec.owner = "anna";
  app.spec.source = name + ".key";
  app.spec.lane = "general";
  app.spec.template_name = "node-24";
  return app;
}

AppStatus make_status(Phase phase, std::int64_t generation = 1) {
  AppStatus status;
  status.phase = phase;
  status.observed_generation = generation;
  return status;
}

class KubernetesApps : public ::testing::Test {
 protected:
  static kube::ObjectKey key(const std::string& name) { return {"vibed-apps", name}; }
  Json object(const std::string& name) { return world_->fake->get(vibed_apps(), key(name)); }
  // Of somebody who knows nothing of finalizers.
  void make_by_hand(const std::string& name) {
    Json made = created_object(make_app(name), "vibed-apps");
    made["metadata"].erase("finalizers");
    world_->fake->create(vibed_apps(), made);
    wait_for(name);
  }
  // Waits until the store knows `name`.
  void wait_for(const std::string& name) {
    auto changes = store_.watch(0);
    for (;;) {
      auto event = changes->next({}, Steady::now() + 30s);
      ASSERT_TRUE(event) << "never told of " << name;
      if (event->app.name == name) return;
    }
  }
  // From now on the store hears of nothing, until late_ comes.
  void hang_watches() {
    world_->fake->before_each([this](const http::Request& request) {
      if (request.target.find("watch=true") != std::string::npos) late_.wait();
    });
    world_->fake->end_watches();
  }
  void TearDown() override {
    if (!late_.try_wait()) late_.count_down();
  }
  // How many requests `work` makes, watches and lists apart.
  template <class Work>
  int requests_of(Work work) {
    const auto count = [this] {
      return world_->fake->requests("/vibedapps") - world_->fake->requests("watch=true") -
             world_->fake->requests("limit=500");
    };
    const int before = count();
    work();
    return count() - before;
  }

  std::latch late_{1};
  std::unique_ptr<testing::KubernetesWorld> world_ = testing::fake_cluster();
  KubernetesAppStore& store_ = *world_->store;
};

TEST_F(KubernetesApps, AWriteIsOneRequestAndAReadNone) {
  App app;
  EXPECT_EQ(requests_of([&] { app = *store_.create(make_app("a")); }), 1);
  const AppStatus status = make_status(Phase::claiming);
  EXPECT_EQ(requests_of([&] { app = *store_.write_status("a", app.uid, status); }), 1);
  EXPECT_EQ(requests_of([&] { (void)store_.write_status("a", app.uid, status); }), 0);
  app.spec.suspended = true;
  EXPECT_EQ(requests_of([&] { app = *store_.write_spec(app); }), 1);
  EXPECT_EQ(requests_of([&] { (void)store_.write_spec(app); }), 0);
  EXPECT_EQ(requests_of([&] {
              (void)store_.get("a");
              (void)store_.get("nobody");
              (void)store_.list("", 0, 0);
              (void)store_.find_by_label(app_label("vibed-apps", "a"));
            }),
            0);
  EXPECT_EQ(requests_of([&] { (void)store_.remove("a"); }), 2);
  EXPECT_EQ(requests_of([&] { (void)store_.remove("a"); }), 0);
  EXPECT_EQ(requests_of([&] { (void)store_.finish_remove("a", app.uid); }), 1);
  EXPECT_EQ(object("a"), Json());
}

TEST_F(KubernetesApps, AnAppOfSomebodyElseIsHeldByTheFirstWrite) {
  make_by_hand("status");
  make_by_hand("spec");
  make_by_hand("removed");
  App app = *store_.get("status");
  ASSERT_TRUE(store_.write_status("status", app.uid, make_status(Phase::claiming)));
  app = *store_.get("spec");
  app.labels["team"] = "x";
  ASSERT_TRUE(store_.write_spec(app));
  ASSERT_TRUE(store_.remove("removed"));
  for (const char* name : {"status", "spec", "removed"}) {
    EXPECT_EQ(object(name)["metadata"]["finalizers"], Json::array({kReleaseFinalizer})) << name;
  }
  EXPECT_TRUE(store_.get("removed")->removed_at);
  EXPECT_EQ(store_.get("spec")->generation, 1);
}

TEST_F(KubernetesApps, FinalizersAnnotationsAndFieldsOfOthersStay) {
  Json made = created_object(make_app("a"), "vibed-apps");
  made["metadata"]["finalizers"] = {"other.dev/hold"};
  made["metadata"]["annotations"]["other.dev/note"] = "x";
  made["metadata"]["labels"]["other"] = "y";
  world_->fake->create(vibed_apps(), made);
  wait_for("a");
  App app = *store_.get("a");
  app.labels.erase("vibed.dev/owner");
  app.spec.allowed_hosts = {"example.org"};
  app = *store_.write_spec(app);
  app.spec.allowed_hosts.clear();
  app = *store_.write_spec(app);
  EXPECT_EQ(app.spec, make_app("a").spec);
  const Json now = object("a")["metadata"];
  EXPECT_EQ(now["annotations"]["other.dev/note"], "x");
  EXPECT_EQ(now["labels"], (Json{{"other", "y"}}));
  EXPECT_EQ(now["finalizers"], (Json{"other.dev/hold", kReleaseFinalizer}));
  ASSERT_TRUE(store_.remove("a"));
  ASSERT_TRUE(store_.finish_remove("a", app.uid));
  EXPECT_EQ(object("a")["metadata"]["finalizers"], Json::array({"other.dev/hold"}));
  EXPECT_TRUE(store_.get("a")->removed_at) << "somebody holds it still";
  EXPECT_TRUE(store_.finish_remove("a", app.uid));
}

TEST_F(KubernetesApps, AStatusIsWrittenWhateverHappenedToTheSpec) {
  App app = *store_.create(make_app("a"));
  testing::settle(store_);
  auto other = world_->open();
  // From now on only the other one hears of changes.
  hang_watches();
  App changed = *other->get("a");
  changed.spec.entrypoint = "node b.js";
  ASSERT_TRUE(other->write_spec(changed));
  auto written = store_.write_status("a", app.uid, make_status(Phase::ready));
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->spec.entrypoint, "node b.js");
  EXPECT_EQ(written->generation, 2);
}

TEST_F(KubernetesApps, AnAppThatWasReplacedElsewhereIsLeftAlone) {
  const App old = *store_.create(make_app("a"));
  testing::settle(store_);
  hang_watches();
  Json free = object("a");
  free["metadata"].erase("finalizers");
  world_->fake->replace(vibed_apps(), free);
  world_->fake->remove(vibed_apps(), key("a"));
  world_->fake->create(vibed_apps(), created_object(make_app("a"), "vibed-apps"));
  App stale = old;
  stale.spec.suspended = true;
  EXPECT_EQ(store_.write_status("a", old.uid, make_status(Phase::ready)).error().code,
            Errc::not_found);
  EXPECT_EQ(store_.write_spec(stale).error().code, Errc::conflict);
  EXPECT_TRUE(store_.finish_remove("a", old.uid));
  const Json now = object("a");
  EXPECT_TRUE(kube::find(now, {"status"}).is_null());
  EXPECT_TRUE(kube::find(now, {"spec", "suspended"}).is_null());
  EXPECT_EQ(now["metadata"]["finalizers"], Json::array({kReleaseFinalizer}));
  EXPECT_NE(store_.get("a")->uid, old.uid) << "the conflict told";
}

TEST_F(KubernetesApps, ReadsSeeOwnWritesWhileTheWatchHangsAndItTellsAllOfThemLater) {
  App kept = *store_.create(make_app("kept"));
  App removed = *store_.create(make_app("removed"));
  testing::settle(store_);
  auto changes = store_.watch(removed.resource_version);
  hang_watches();
  ASSERT_TRUE(store_.create(make_app("new")));
  kept = *store_.write_status("kept", kept.uid, make_status(Phase::ready));
  ASSERT_TRUE(store_.remove("removed"));
  ASSERT_TRUE(store_.finish_remove("removed", removed.uid));
  EXPECT_EQ(*store_.get("kept"), kept);
  EXPECT_EQ(store_.list("anna", 0, 0)->total, 2);
  EXPECT_EQ(store_.find_by_label(app_label("vibed-apps", "new"))->name, "new");
  EXPECT_FALSE(store_.find_by_label(app_label("vibed-apps", "removed")));
  EXPECT_EQ(changes->next({}, Steady::now()).error().code, Errc::deadline_exceeded);
  EXPECT_EQ(store_.catch_up({}, Steady::now()).error().code, Errc::deadline_exceeded);
  late_.count_down();
  testing::settle(store_);
  EXPECT_EQ(changes->next({}, Steady::now())->app.name, "new");
  EXPECT_EQ(changes->next({}, Steady::now())->app, kept);
  EXPECT_TRUE(changes->next({}, Steady::now())->gone);
}

TEST_F(KubernetesApps, AConflictOnEverySecondWriteIsOvercome) {
  std::atomic<int> writes = 0;
  world_->fake->before_each([&](const http::Request& request) {
    if (request.method != "PATCH" || writes++ % 2 == 0) return;
    world_->fake->inject({.method = "PATCH", .refusal = {409, "Conflict", "try again", {}}});
  });
  App app = *store_.create(make_app("a"));
  for (int i = 1; i <= 10; ++i) {
    auto status = store_.write_status("a", app.uid, make_status(Phase::starting, i));
    ASSERT_TRUE(status) << status.error().message;
    status->spec.entrypoint = "node " + std::to_string(i);
    auto spec = store_.write_spec(*status);
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->generation, 1 + i);
  }
  ASSERT_TRUE(store_.remove("a"));
  ASSERT_TRUE(store_.finish_remove("a", app.uid));
  EXPECT_GT(world_->fake->requests("PATCH"), 21 + 8) << "or there were no conflicts";
}

TEST_F(KubernetesApps, AnAnswerThatGetsLostIsAWriteThatWasDone) {
  App app = *store_.create(make_app("a"));
  app.spec.suspended = true;
  world_->fake->inject({.what = What::lose_answer, .method = "PATCH"});
  auto written = store_.write_spec(app);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->generation, 2);
  EXPECT_TRUE(written->spec.suspended);
}

TEST_F(KubernetesApps, ANameThatIsTakenElsewhereIsReadAtOnce) {
  hang_watches();
  world_->fake->create(vibed_apps(), created_object(make_app("a"), "vibed-apps"));
  EXPECT_EQ(store_.get("a").error().code, Errc::not_found);
  EXPECT_EQ(store_.create(make_app("a")).error().code, Errc::already_exists);
  EXPECT_TRUE(store_.get("a")) << "else who tries again turns in a circle";
}

TEST_F(KubernetesApps, AfterTheHistoryIsGoneWatchesGoOnAndTellWhatWent) {
  const App kept = *store_.create(make_app("kept"));
  for (const char* name : {"gone", "swapped"}) make_by_hand(name);
  testing::settle(store_);
  auto changes = store_.watch(0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(changes->next({}, Steady::now()));
  world_->fake->wait_for_watch("vibedapps");
  world_->fake->inject({.what = What::refuse, .path = "watch=true"});
  world_->fake->end_watches();
  for (const char* name : {"gone", "swapped"}) world_->fake->remove(vibed_apps(), key(name));
  world_->fake->create(vibed_apps(), created_object(make_app("swapped"), "vibed-apps"));
  world_->fake->expire();
  std::string heard;
  for (int i = 0; i < 3; ++i) {
    auto event = changes->next({}, Steady::now() + 30s);
    ASSERT_TRUE(event) << event.error().message;
    heard += (event->gone ? "-" : "") + event->app.name + " ";
  }
  EXPECT_EQ(heard, "-swapped swapped -gone ");
  EXPECT_EQ(store_.list("", 0, 0)->total, 2);
}

TEST_F(KubernetesApps, OneRecordThatCannotBeReadIsLeftOut) {
  Json bad = created_object(make_app("bad"), "vibed-apps");
  bad["spec"].erase("owner");
  world_->fake->create(vibed_apps(), bad);
  make_by_hand("good");
  EXPECT_EQ(store_.list("", 0, 0)->total, 1);
  EXPECT_EQ(store_.get("bad").error().code, Errc::not_found);
  EXPECT_EQ(world_->open()->list("", 0, 0)->total, 1);
}

TEST_F(KubernetesApps, AClusterWithoutTheResourceIsAnErrorThatSaysSo) {
  world_->fake->inject({.what = What::refuse,
                        .times = 100,
                        .path = "/vibedapps",
                        .refusal = {404, "NotFound", "could not find the requested resource", {}}});
  auto store = open_kubernetes_app_store(*world_->client, {.sync_timeout = 200ms});
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("could not find"), std::string::npos)
      << store.error().message;
}

}  // namespace
}  // namespace vibed
