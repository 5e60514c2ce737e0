// Which states of an app are told to the cluster, and in which words.
#include "engine/app_events.hpp"

#include <gtest/gtest.h>

namespace vibed {
namespace {

AppStatus status_of(Phase phase, std::int64_t serving = 0) {
  AppStatus status;
  status.phase = phase;
  status.observed_generation = serving;
  status.url = "http://web.apps.test";
  return status;
}

AppStatus on_its_way(Phase phase, std::int64_t serving, const std::string& reason,
                     const std::string& message, bool still = true, std::int64_t generation = 2) {
  AppStatus status = status_of(phase, serving);
  status.conditions.push_back({"Progressing", still, reason, message, {}, generation});
  return status;
}

std::string told(const AppStatus& before, const AppStatus& after) {
  App app;
  app.generation = 2;
  app.status = before;
  std::string text;
  for (const control::Happening& each : happenings(app, after)) {
    text += std::string(each.warning ? "!" : "") + each.reason + "/" + each.action + ": " +
            each.note + "\n";
  }
  return text;
}

TEST(AppEvents, ADeployThatGoesWellIsOne) {
  const std::vector<AppStatus> deploy = {
      status_of(Phase::none),
      on_its_way(Phase::claiming, 0, "Claiming", "waiting on warm pool", true, 1),
      on_its_way(Phase::starting, 0, "Injecting", "injecting source into sandbox", true, 1),
      on_its_way(Phase::starting, 0, "Starting", "user process starting", true, 1),
      status_of(Phase::ready, 1)};
  std::string all;
  for (std::size_t i = 1; i < deploy.size(); ++i) all += told(deploy[i - 1], deploy[i]);
  EXPECT_EQ(all, "Deployed/Deploy: generation 1 serves at http://web.apps.test\n");
}

TEST(AppEvents, ARedeployIsOneAlthoughThePhaseStays) {
  const AppStatus one = status_of(Phase::ready, 1);
  const AppStatus way = on_its_way(Phase::ready, 1, "Starting", "user process starting");
  EXPECT_EQ(told(one, way), "");
  EXPECT_EQ(told(way, status_of(Phase::ready, 2)),
            "Deployed/Deploy: generation 2 serves at http://web.apps.test\n");
  EXPECT_EQ(told(status_of(Phase::ready, 2), status_of(Phase::ready, 2)), "");
}

TEST(AppEvents, AFailureIsToldWithItsReasonAndOnce) {
  const AppStatus failed = on_its_way(Phase::failed, 0, "AppExited", "exit 1\nboom", false);
  EXPECT_EQ(told(status_of(Phase::starting), failed), "!AppExited/Deploy: exit 1\nboom\n");
  EXPECT_EQ(told(failed, failed), "");
  AppStatus again = failed;
  again.conditions[0].observed_generation = 3;
  EXPECT_EQ(told(failed, again), "!AppExited/Deploy: exit 1\nboom\n") << "of another generation";
}

TEST(AppEvents, AFailedRedeployNamesWhatServesOn) {
  EXPECT_EQ(told(status_of(Phase::ready, 1),
                 on_its_way(Phase::ready, 1, "InjectFailed", "no such source", false)),
            "!InjectFailed/Deploy: generation 2 failed, generation 1 serves on: no such source\n");
}

TEST(AppEvents, WhatKeepsAnAppIsTold) {
  const AppStatus waits = on_its_way(Phase::claiming, 0, "Claiming", "waiting on warm pool");
  const AppStatus full =
      on_its_way(Phase::claiming, 0, "Claiming", "waiting on warm pool: exceeded quota: claims");
  EXPECT_EQ(told(waits, full), "!Claiming/Start: waiting on warm pool: exceeded quota: claims\n");
  EXPECT_EQ(told(full, full), "");
  EXPECT_EQ(told(full, waits), "");
  EXPECT_EQ(told(status_of(Phase::ready, 1),
                 on_its_way(Phase::ready, 1, "Claiming", "waiting on warm pool: none")),
            "!Claiming/Start: generation 2 waits, generation 1 serves on: waiting on warm pool: "
            "none\n");
}

TEST(AppEvents, ALostSandboxAndItsRecoveryAreTold) {
  const AppStatus lost = on_its_way(Phase::starting, 2, "SandboxLost",
                                    "the sandbox ended; starting the app in a new one");
  EXPECT_EQ(told(status_of(Phase::ready, 2), lost),
            "!SandboxLost/Start: the sandbox ended; starting the app in a new one\n");
  const AppStatus starting = on_its_way(Phase::starting, 2, "Starting", "user process starting");
  EXPECT_EQ(told(lost, starting), "");
  EXPECT_EQ(told(starting, status_of(Phase::ready, 2)),
            "Recovered/Start: generation 2 serves again\n");
}

TEST(AppEvents, SuspendingIsToldOnce) {
  const AppStatus suspended = status_of(Phase::suspended, 1);
  EXPECT_EQ(told(status_of(Phase::ready, 1), suspended),
            "Suspended/Suspend: its sandbox is released; its URL is kept\n");
  EXPECT_EQ(told(suspended, suspended), "");
}

TEST(AppEvents, AreAboutTheObject) {
  App app;
  app.name = "web";
  app.space = "apps";
  app.uid = "u";
  app.resource_version = 7;
  const kube::Json subject = event_subject(app);
  EXPECT_EQ(kube::key_of(subject).text(), "apps/web");
  EXPECT_EQ(subject["kind"], "VibedApp");
  EXPECT_EQ(subject["apiVersion"], "vibed.dev/v1alpha1");
  EXPECT_EQ(kube::uid_of(subject), "u");
  EXPECT_EQ(kube::version_of(subject), "7");
}

}  // namespace
}  // namespace vibed
