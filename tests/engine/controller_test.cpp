// The controller as a whole, on a fake cluster.
#include <atomic>
#include <thread>

#include "claims/names.hpp"
#include "controller_world.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using kube::Json;
using testing::Fault;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(ControllerTest, AnAppBecomesReadyBehindItsService) {
  ControllerOptions alone = options("alone");
  alone.leader_elect = false;
  alone.url_port = 8443;
  auto controller = open(alone);
  ASSERT_TRUE(controller);
  deploy("web");
  App app = await("web", Phase::ready);
  EXPECT_EQ(app.status.url, "https://" + app_label("apps", "web") + ".apps.test:8443");
  auto claims = claims_of("web");
  ASSERT_EQ(claims.size(), 1U);
  EXPECT_EQ(service_of("web")["spec"]["selector"],
            (Json{{claims::kClaimUidLabel, kube::uid_of(claims[0])}}));
  redeploy("web");
  EXPECT_EQ(await("web", Phase::ready).status.observed_generation, 2);
  ASSERT_TRUE(apps_->remove("web"));
  EXPECT_TRUE(until([&] { return claims_of("web").empty() && !apps_->get("web"); }));
}

TEST_F(ControllerTest, AFailureIsInTheRecord) {
  auto controller = open("one");
  deploy("web", "fail");
  App app = await("web", Phase::failed);
  const Condition* ready = find_condition(app.status, "Ready");
  ASSERT_NE(ready, nullptr);
  EXPECT_EQ(ready->reason, "AppExited");
  EXPECT_TRUE(has(ready->message, "boom")) << ready->message;
}

TEST_F(ControllerTest, OfTwoOneActsAndTheOtherIsReadyToo) {
  auto first = open("first");
  ASSERT_TRUE(until([&] { return first->leads(); }));
  auto second = open("second");
  deploy("web");
  await("web", Phase::ready);
  EXPECT_GT(writes_of("first"), 0);
  EXPECT_EQ(writes_of("second"), 0);
  EXPECT_FALSE(second->leads());
  EXPECT_TRUE(
      until([&] { return has(get(second->probes_address(), "/readyz").second, "first leads"); }));
  EXPECT_EQ(get(second->probes_address(), "/readyz").first, 200);
  EXPECT_EQ(get(first->probes_address(), "/readyz").first, 200);
  EXPECT_TRUE(has(get(first->metrics_address(), "/metrics").second, "vibed_controller_leading 1"));
  EXPECT_TRUE(has(get(second->metrics_address(), "/metrics").second, "vibed_controller_leading 0"));
}

// The leader is cut off from its lease while it has much to do, and while one of its writes is
// refused again and again, which it would repeat for half a minute.
TEST_F(ControllerTest, WhoLosesTheLeaseWritesNothingMoreAndTheOtherGoesOn) {
  auto first = open("first");
  ASSERT_TRUE(until([&] { return first->leads(); }));
  auto second = open("second");
  cluster_.hold(true);  // from here on nothing becomes ready
  for (int i = 0; i < 6; ++i) deploy("web-" + std::to_string(i));
  ASSERT_TRUE(until([&] { return !claims_of("web-5").empty(); }));
  cluster_.api().inject(
      {.what = Fault::What::refuse, .times = 100'000, .method = "PATCH", .path = "/status"});
  for (int i = 0; i < 6; ++i) redeploy("web-" + std::to_string(i));
  hold_leases_of("first");

  ASSERT_TRUE(until([&] { return second->leads(); }));
  const int before = writes_of("first");
  EXPECT_FALSE(first->leads());
  std::this_thread::sleep_for(2s);  // longer than any pause between two attempts so far
  EXPECT_EQ(writes_of("first"), before);
  cluster_.api().heal();
  cluster_.hold(false);
  for (int i = 0; i < 6; ++i) {
    App app = await("web-" + std::to_string(i), Phase::ready);
    EXPECT_EQ(app.status.observed_generation, 2);
    EXPECT_TRUE(until([&] { return claims_of(app.name).size() == 1; })) << app.name;
  }
  EXPECT_EQ(writes_of("first"), before);

  // And it takes over again when it is its turn.
  let_leases_go();
  second->close();
  ASSERT_TRUE(until([&] { return first->leads(); }));
  deploy("later");
  await("later", Phase::ready);
}

TEST_F(ControllerTest, ARestartAdoptsWhatRuns) {
  auto first = open("first");
  deploy("web");
  App before = await("web", Phase::ready);
  auto claims = claims_of("web");
  ASSERT_EQ(claims.size(), 1U);
  const auto from = std::chrono::steady_clock::now();
  first->close();
  EXPECT_FALSE(first->leads());
  auto second = open("second");
  ASSERT_TRUE(until([&] { return second->leads(); }));
  EXPECT_LT(std::chrono::steady_clock::now() - from, 3s) << "the lease was not released";
  deploy("other");
  await("other", Phase::ready);
  App after = await("web", Phase::ready);
  EXPECT_EQ(after.resource_version, before.resource_version) << "its record was written again";
  auto now = claims_of("web");
  ASSERT_EQ(now.size(), 1U);
  EXPECT_EQ(kube::uid_of(now[0]), kube::uid_of(claims[0]));
}

TEST_F(ControllerTest, ReadinessTellsWhatIsWrong) {
  cluster_.api().inject({.what = Fault::What::refuse,
                         .times = 100'000,
                         .method = "GET",
                         .path = "vibedapps",
                         .refusal = {403, "Forbidden", "not yours", {}}});
  auto controller = open("one");
  ASSERT_TRUE(until([&] { return controller->leads(); }));
  auto ready = [&] { return get(controller->probes_address(), "/readyz"); };
  EXPECT_EQ(ready().first, 503);
  EXPECT_TRUE(has(ready().second, "\"lifecycle\":{\"ready\":false")) << ready().second;
  EXPECT_EQ(get(controller->probes_address(), "/healthz").first, 200);
  cluster_.api().heal();
  EXPECT_TRUE(until([&] { return ready().first == 200; })) << ready().second;

  cluster_.api().inject({.what = Fault::What::refuse, .times = 100'000, .path = "sandboxclaims"});
  cluster_.api().end_watches();
  EXPECT_TRUE(until([&] { return ready().first == 503; })) << ready().second;
  EXPECT_TRUE(has(ready().second, "nothing heard of the cluster for ")) << ready().second;
  cluster_.api().heal();
  EXPECT_TRUE(until([&] { return ready().first == 200; })) << ready().second;
}

TEST_F(ControllerTest, AStandbyThatCannotReachTheLeaseIsNotReady) {
  auto first = open("first");
  ASSERT_TRUE(until([&] { return first->leads(); }));
  auto second = open("second");
  auto ready = [&] { return get(second->probes_address(), "/readyz"); };
  ASSERT_TRUE(until([&] { return has(ready().second, "first leads"); }));
  hold_leases_of("second");  // its calls hang, as in a network that loses packets
  EXPECT_TRUE(until([&] { return ready().first == 503; })) << ready().second;
  EXPECT_TRUE(has(ready().second, "the lease is out of reach for ")) << ready().second;
  EXPECT_EQ(get(first->probes_address(), "/readyz").first, 200);
  let_leases_go();
  EXPECT_TRUE(until([&] { return ready().first == 200; })) << ready().second;
}

TEST_F(ControllerTest, WhatHappensToAnAppIsInTheEventsOfTheCluster) {
  auto controller = open("one");
  const auto events = [&] {
    auto list =
        cluster_.client().list(kube::event_records(), {.space = claims::FakeCluster::kSpace});
    std::string text;
    for (const Json& each : list ? list->items : std::vector<Json>()) {
      text += kube::text_at(each, {"regarding", "name"}) + " " + kube::text_at(each, {"type"}) +
              " " + kube::text_at(each, {"reason"}) + " " + kube::text_at(each, {"note"}) + "\n";
      EXPECT_EQ(kube::text_at(each, {"regarding", "kind"}), "VibedApp");
      EXPECT_EQ(kube::text_at(each, {"reportingController"}), "vibed.dev/controller");
      EXPECT_EQ(kube::text_at(each, {"reportingInstance"}), "one");
    }
    return text;
  };
  const auto await_event = [&](const std::string& part) {
    EXPECT_TRUE(until([&] { return has(events(), part); })) << part << " is not in\n" << events();
  };
  deploy("web");
  await("web", Phase::ready);
  await_event("web Normal Deployed generation 1 serves at https://");
  deploy("bad", "fail");
  await_event("bad Warning AppExited ");
  redeploy("web", "fail");
  await_event("web Warning AppExited generation 2 failed, generation 1 serves on: ");
  auto all = cluster_.client().list(kube::event_records(), {.space = claims::FakeCluster::kSpace});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->items.size(), 3U) << events();
}

TEST_F(ControllerTest, OptionsThatCannotBeAreRefusedWithAWord) {
  const auto reason_of = [&](const std::function<void(ControllerOptions&)>& spoil) {
    ControllerOptions spoiled = options("one");
    spoil(spoiled);
    auto opened = Controller::open(spoiled);
    return opened ? "" : opened.error().reason;
  };
  EXPECT_EQ(reason_of([](auto& o) { o.install_secret = "short"; }), "bad_config");
  EXPECT_EQ(reason_of([](auto& o) { o.url_scheme = "ftp"; }), "bad_config");
  EXPECT_EQ(reason_of([](auto& o) { o.domain = "a.b:80"; }), "bad_config");
  EXPECT_EQ(reason_of([](auto& o) { o.renew_deadline = o.lease_duration; }), "bad_config");
  EXPECT_EQ(reason_of([](auto& o) { o.sources = nullptr; }), "bad_config");
  EXPECT_EQ(reason_of([](auto& o) { o.cluster.kubeconfig = "/nowhere"; }), "bad_kubeconfig");
}

}  // namespace
}  // namespace vibed
