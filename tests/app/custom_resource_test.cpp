// The schema of the custom resource on a real API server: what it takes, what it refuses.
#include <gtest/gtest.h>

#include "app/kubernetes_record.hpp"
#include "app/kubernetes_world.hpp"

namespace vibed {
namespace {

using kube::Json;

constexpr const char* kUrl = "http://vibed.vibed-system.svc:8080/internal/sources/abc.tar.gz";

// As the Go system writes one.
Json go_app(const std::string& name) {
  const Json versions = Json::array({{{"version", 1},
                                      {"timestamp", "2026-08-16T10:00:00Z"},
                                      {"template", "node-24"},
                                      {"lane", "general"},
                                      {"sourceHash", "00ff"},
                                      {"tarballKey", "abc"},
                                      {"tarballRef", kUrl}}});
  return {{"apiVersion", "vibed.dev/v1alpha1"},
          {"kind", "VibedApp"},
          {"metadata",
           {{"name", name},
            {"namespace", "vibed-apps"},
            {"labels", {{"vibed.dev/owner", "anna_example.org"}}},
            {"annotations", {{"vibed.dev/versions", versions.dump()}}}}},
          {"spec",
           {{"owner", "anna@example.org"},
            {"source", {{"tarballRef", kUrl}}},
            {"runtime",
             {{"lane", "general"},
              {"template", "node-24"},
              {"env", {{{"name", "A"}, {"value", "1"}}, {{"name", "EMPTY"}}}}}},
            {"egress", {{"allowedHosts", {"example.org"}}}},
            {"resources", Json::object()}}}};
}

Json go_status() {
  return {{"phase", "Ready"},
          {"url", "https://abc.vibed.example.com"},
          {"sandboxRef", "node-24-x7k2"},
          {"podIP", "10.1.2.3"},
          {"routeTarget", "vibed-app-abc.vibed-apps.svc.cluster.local:8080"},
          {"lastDeployedAt", "2026-08-16T10:00:05Z"},
          {"conditions",
           {{{"type", "SourceValid"},
             {"status", "True"},
             {"reason", "Valid"},
             {"message", ""},
             {"lastTransitionTime", "2026-08-16T10:00:01Z"}},
            {{"type", "Ready"},
             {"status", "True"},
             {"reason", "Running"},
             {"message", "user process listening"},
             {"lastTransitionTime", "2026-08-16T10:00:05Z"}}}}};
}

class RealCustomResource : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    world_ = testing::real_cluster(why);
    if (world_ == nullptr) GTEST_SKIP() << why;
  }

  Result<Json> create(const Json& object) { return world_->client->create(vibed_apps(), object); }

  // Says why `object` is refused; "" if it is not.
  std::string refusal(const Json& object) {
    auto made = world_->client->create(vibed_apps(), object, {.dry_run = true});
    if (made) return "";
    EXPECT_EQ(made.error().reason, "invalid_object");
    return made.error().message;
  }

  std::unique_ptr<testing::KubernetesWorld> world_;
};

TEST_F(RealCustomResource, AnAppOfTheGoSystemIsTakenReadAndAdopted) {
  auto made = create(go_app("go"));
  ASSERT_TRUE(made) << made.error().message;
  Json next = *made;
  next["status"] = go_status();
  made = world_->client->replace(vibed_apps(), next, {.subresource = "status"});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(kube::find(*made, {"spec", "resources"}), (Json{{"cpu", "500m"}, {"memory", "256Mi"}}));
  EXPECT_EQ(kube::find(*made, {"spec", "ttl"}), "30m");
  EXPECT_EQ((*made)["status"], go_status()) << "nothing of it is pruned";

  auto store = world_->open();
  App app = *store->get("go");
  EXPECT_EQ(app.spec.source, kUrl);
  EXPECT_EQ(app.versions.at(0).source_key, "abc");
  EXPECT_EQ(app.spec.env, (std::vector<EnvVar>{{"A", "1"}, {"EMPTY", ""}}));
  EXPECT_EQ(app.status.phase, Phase::ready);
  EXPECT_EQ(find_condition(app.status, "Ready")->reason, "Running");
  AppStatus status = app.status;
  status.observed_generation = 1;
  status.runtime_version = "node v24.4.1";
  auto written = store->write_status("go", app.uid, status);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->status, status);
  EXPECT_EQ(written->generation, 1);
  app = *written;
  app.labels["team"] = "x";
  written = store->write_spec(app);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->generation, 1) << "labels are no new generation, nor is being adopted";
  ASSERT_TRUE(store->remove("go"));
  EXPECT_TRUE(store->get("go")->removed_at) << "held";
  ASSERT_TRUE(store->finish_remove("go", app.uid));
}

TEST_F(RealCustomResource, WhatCannotBeAnAppIsRefusedWithTheReason) {
  EXPECT_EQ(refusal(go_app("good")), "");
  const auto without = [](const char* pointer) {
    return go_app("bad").patch(Json::array({{{"op", "remove"}, {"path", pointer}}}));
  };
  const auto with = [](const char* pointer, const Json& value) {
    return go_app("bad").patch(Json::array({{{"op", "add"}, {"path", pointer}, {"value", value}}}));
  };
  const auto says = [this](const Json& object, const char* what) {
    const std::string why = refusal(object);
    return why.find(what) != std::string::npos ? std::string(what) : "instead: " + why;
  };
  const auto check = [&](const Json& object, const char* what) {
    EXPECT_EQ(says(object, what), what);
  };
  check(without("/spec/owner"), "spec.owner: Required value");
  check(without("/spec/source"), "spec.source: Required value");
  check(without("/spec/runtime"), "spec.runtime: Required value");
  check(without("/spec/runtime/lane"), "spec.runtime.lane: Required value");
  check(without("/spec"), "spec: Required value");
  check(with("/spec/runtime/lane", "slow"), "spec.runtime.lane: Unsupported value");
  check(with("/spec/source/gitRef", "main"), "source must set exactly one of tarballRef or gitRef");
  check(with("/spec/source", Json::object()),
        "source must set exactly one of tarballRef or gitRef");
  check(with("/spec/source/tarballRef", ""), "source must set exactly one of tarballRef or gitRef");
  check(with("/spec/runtime/env/0", {{"value", "1"}}), "spec.runtime.env[0].name: Required value");
  check(with("/spec/suspended", "yes"), "spec.suspended");
  check(go_app("a.dotted.name"), "an app's name has at most 63");
  check(go_app(std::string(64, 'a')), "an app's name has at most 63");
}

TEST_F(RealCustomResource, AStatusThatIsNoneIsRefused) {
  auto made = create(go_app("a"));
  ASSERT_TRUE(made) << made.error().message;
  const auto refused = [&](const char* field, const Json& value) {
    Json next = *made;
    next["status"] = go_status();
    next["status"][field] = value;
    auto written = world_->client->replace(vibed_apps(), next, {.subresource = "status"});
    return !written && written.error().reason == "invalid_object";
  };
  EXPECT_TRUE(refused("phase", "Running"));
  EXPECT_TRUE(refused("observedGeneration", -1));
  EXPECT_TRUE(refused("lastDeployedAt", "yesterday"));
  EXPECT_TRUE(refused("conditions", {{{"type", "Ready"}, {"status", "True"}}}));
  Json two = go_status()["conditions"];
  two.push_back(two[0]);
  EXPECT_TRUE(refused("conditions", two)) << "one of each type";
}

TEST_F(RealCustomResource, WhatTheApiServerWouldRefuseIsPutRight) {
  App app;
  app.name = "a";
  app.labels = {{"vibed.dev/owner", "_änne@example.org!"}};
  app.spec.owner = "_änne@example.org!";
  app.spec.source = "key";
  app.spec.lane = "fast";
  auto made = world_->store->create(app);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->spec.owner, app.spec.owner);
  EXPECT_EQ(made->labels["vibed.dev/owner"], "nne_example.org");
  AppStatus status;
  status.conditions = {{"Ready", false, "", std::string(40'000, 'x'), {}, 1}};
  auto written = world_->store->write_status("a", made->uid, status);
  ASSERT_TRUE(written) << written.error().message;
  auto again = world_->store->write_status("a", made->uid, status);
  EXPECT_EQ(*again, *written) << "and is no change the next time";
}

}  // namespace
}  // namespace vibed
