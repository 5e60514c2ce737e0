#include "lifecycle/step.hpp"

#include <gtest/gtest.h>

#include "lifecycle/worlds.hpp"

namespace vibed::lifecycle {
namespace {

using testing::a_box;
using testing::a_ready_app;
using testing::an_app;
using testing::at;
using testing::describe;
using testing::told;
using enum SandboxPhase;

Memory with_claim_error(const App& app, Error error, Time until) {
  Memory memory;
  recall(memory, app);
  remember_claim(memory, error, until - std::chrono::milliseconds(100));
  return memory;
}

Memory with_injection(const App& app, const std::string& box, std::optional<Error> error) {
  Memory memory;
  recall(memory, app);
  remember_injection(memory, box, error);
  return memory;
}

Memory with_losses(const App& app, int losses) {
  Memory memory;
  recall(memory, app);
  for (int i = 0; i < losses; ++i) remember_loss(memory, at(0));
  return memory;
}

App removed(App app) {
  app.removed_at = at(0);
  return app;
}

App suspended(App app) {
  app.spec.suspended = true;
  return app;
}

App failed_app(std::int64_t generation) {
  return told(an_app(generation), {a_box("f", generation, failed)});
}

App failed_beside(std::int64_t serving, std::int64_t generation) {
  return told(a_ready_app(serving, generation),
              {a_box("s1", serving, listening, true), a_box("f", generation, failed)});
}

App sourceless(App app) {
  app.spec.source.clear();
  return app;
}

Sandbox held_up(Sandbox box) {
  box.reason = "SourceUnavailable";
  box.message = "the source cannot be read now";
  return box;
}

const Error kExhausted{Errc::resource_exhausted, "no sandbox is free", "pool_exhausted"};
const Error kNoTemplate{Errc::not_found, "no pool", "template_missing"};
const Error kNoSource{Errc::not_found, "no such source"};

// One row of docs/lifecycle.md: in this world, this is the next action.
struct Row {
  std::string name;
  App app;
  std::vector<Sandbox> boxes;
  std::string action;
  Memory memory = {};
  int now = 10;
  friend std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
};

class Step : public ::testing::TestWithParam<Row> {};

TEST_P(Step, GivesTheNextAction) {
  const Row& row = GetParam();
  EXPECT_EQ(describe(step(row.app, row.boxes, row.memory, at(row.now), {})), row.action);
}

std::string row_name(const ::testing::TestParamInfo<Row>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    FirstDeploy, Step,
    ::testing::Values(
        Row{"NothingThereIsClaimed", an_app(), {}, "claim 1"},
        Row{"PendingIsTold",
            an_app(),
            {a_box("a", 1, pending)},
            "status Claiming: Claiming of 1; going on: Claiming of 1"},
        Row{"PendingThatIsToldWaits",
            told(an_app(), {a_box("a", 1, pending)}),
            {a_box("a", 1, pending)},
            "wait"},
        Row{"BoundIsInjectedBeforeAnythingIsWritten", an_app(), {a_box("a", 1, bound)}, "inject a"},
        Row{"InjectedAndStillBoundIsNotInjectedTwice",
            an_app(),
            {a_box("a", 1, bound)},
            "status Starting: Injecting of 1; going on: Injecting of 1",
            with_injection(an_app(), "a", std::nullopt)},
        Row{"StartingIsTold",
            an_app(),
            {a_box("a", 1, starting)},
            "status Starting: Starting of 1; going on: Starting of 1"},
        Row{"StartingThatIsToldWaitsForItsTime",
            told(an_app(), {a_box("a", 1, starting)}),
            {a_box("a", 1, starting)},
            "wait until 60"},
        Row{"PendingThatIsKeptUpSaysSo",
            told(an_app(), {a_box("a", 1, pending)}),
            {held_up(a_box("a", 1, pending))},
            "status Claiming: Claiming of 1; going on: Claiming of 1"},
        Row{"AndOnce",
            told(an_app(), {held_up(a_box("a", 1, pending))}),
            {held_up(a_box("a", 1, pending))},
            "wait"},
        Row{"StartingThatWaitsForSomethingSaysSo",
            an_app(),
            {held_up(a_box("a", 1, starting))},
            "status Starting: SourceUnavailable of 1; going on: SourceUnavailable of 1"},
        Row{"AndIsNotTimed",
            told(an_app(), {held_up(a_box("a", 1, starting))}),
            {held_up(a_box("a", 1, starting))},
            "wait",
            {},
            1000},
        Row{"ListeningIsExposed", an_app(), {a_box("a", 1, listening)}, "expose a"},
        Row{"ExposedIsReady",
            an_app(),
            {a_box("a", 1, listening, true)},
            "status Ready: Running of 1"},
        Row{"ReadyThatIsToldRests", a_ready_app(1, 1), {a_box("s1", 1, listening, true)}, "wait"}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    Redeploy, Step,
    ::testing::Values(Row{"TheNewGenerationIsClaimedBesideTheOld",
                          a_ready_app(1, 2),
                          {a_box("s1", 1, listening, true)},
                          "claim 2"},
                      Row{"TheAppStaysReadyMeanwhile",
                          a_ready_app(1, 2),
                          {a_box("s1", 1, listening, true), a_box("b", 2, pending)},
                          "status Ready: Running of 1; going on: Claiming of 2"},
                      Row{"AndWhileItStarts",
                          a_ready_app(1, 2),
                          {a_box("s1", 1, listening, true), a_box("b", 2, starting)},
                          "status Ready: Running of 1; going on: Starting of 2"},
                      Row{"TheNewOneIsExposedWhenItListens",
                          a_ready_app(1, 2),
                          {a_box("s1", 1, listening, true), a_box("b", 2, listening)},
                          "expose b"},
                      Row{"ThenTheStatusFollows",
                          a_ready_app(1, 2),
                          {a_box("s1", 1, listening), a_box("b", 2, listening, true)},
                          "status Ready: Running of 2"},
                      Row{"ThenTheOldOneIsReleased",
                          a_ready_app(2, 2),
                          {a_box("s1", 1, listening), a_box("s2", 2, listening, true)},
                          "release s1"},
                      Row{"AnOvertakenGenerationIsReleasedFirst",
                          a_ready_app(1, 3),
                          {a_box("s1", 1, listening, true), a_box("b", 2, starting)},
                          "release b"},
                      Row{"AnOvertakenOneThatListensToo",
                          a_ready_app(1, 3),
                          {a_box("s1", 1, listening, true), a_box("b", 2, listening)},
                          "release b"},
                      Row{"ADuplicateIsReleased",
                          a_ready_app(1, 1),
                          {a_box("a", 1, starting), a_box("s1", 1, listening, true)},
                          "release a"},
                      Row{"AnOldOneThatCrashedGoesWhileTheNewOneStarts",
                          a_ready_app(1, 2),
                          {a_box("s1", 1, failed, true), a_box("b", 2, starting)},
                          "release s1"},
                      Row{"AnOldOneThatDiedGoesWhileTheNewOneStarts",
                          a_ready_app(1, 2),
                          {a_box("s1", 1, gone, true), a_box("b", 2, starting)},
                          "release s1"},
                      Row{"ThenNothingServes",
                          a_ready_app(1, 2),
                          {a_box("b", 2, starting)},
                          "status Starting: Starting of 2; going on: Starting of 2"}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    Failure, Step,
    ::testing::Values(
        Row{"OfTheFirstGenerationIsTold",
            an_app(),
            {a_box("f", 1, failed)},
            "status Failed: AppExited of 1; failed: AppExited of 1"},
        Row{"ThenTheSandboxIsReleased", failed_app(1), {a_box("f", 1, failed)}, "release f"},
        Row{"AndItIsNotClaimedAgain", failed_app(1), {}, "wait"},
        Row{"UntilTheSpecChanges",
            [] {
              App app = failed_app(1);
              app.generation = 2;
              return app;
            }(),
            {},
            "claim 2"},
        Row{"OfANewerGenerationLeavesTheOlderReady",
            a_ready_app(1, 2),
            {a_box("s1", 1, listening, true), a_box("f", 2, failed)},
            "status Ready: Running of 1; failed: AppExited of 2"},
        Row{"ThenOnlyTheNewOneIsReleased",
            failed_beside(1, 2),
            {a_box("s1", 1, listening, true), a_box("f", 2, failed)},
            "release f"},
        Row{"AndTheOlderServesOn", failed_beside(1, 2), {a_box("s1", 1, listening, true)}, "wait"},
        Row{"OfBothIsFailed",
            failed_beside(1, 2),
            {a_box("s1", 1, failed, true)},
            "status Failed: AppExited of 2; failed: AppExited of 2"},
        Row{"WithTheOlderDeadIsFailed",
            failed_beside(1, 2),
            {a_box("s1", 1, gone, true)},
            "status Failed: AppExited of 2; failed: AppExited of 2"},
        Row{"WithTheOlderRestartingIsStarting",
            failed_beside(1, 2),
            {a_box("s1", 1, starting, true)},
            "status Starting: Restarting of 1; failed: AppExited of 2"},
        Row{"ToListenInTimeIsTold",
            an_app(),
            {a_box("a", 1, starting)},
            "status Failed: NotListening of 1; failed: NotListening of 1",
            {},
            60},
        Row{"OfTheInjectionThatCannotWorkIsTold",
            an_app(),
            {a_box("a", 1, bound)},
            "status Failed: InjectFailed of 1; failed: InjectFailed of 1",
            with_injection(an_app(), "a", kNoSource)},
        Row{"OfAnotherSandboxesInjectionIsForgotten",
            an_app(),
            {a_box("b", 1, bound)},
            "inject b",
            with_injection(an_app(), "a", kNoSource)},
        Row{"WithoutATemplateIsTold",
            an_app(),
            {},
            "status Failed: TemplateMissing of 1; failed: TemplateMissing of 1",
            with_claim_error(an_app(), kNoTemplate, at(11))},
        Row{"WithoutASourceIsTold",
            sourceless(an_app()),
            {},
            "status Failed: SourceMissing of 1; failed: SourceMissing of 1"}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    EmptyPool, Step,
    ::testing::Values(
        Row{"IsTold",
            an_app(),
            {},
            "status Claiming: Claiming of 1; going on: Claiming of 1",
            with_claim_error(an_app(), kExhausted, at(11))},
        Row{"IsWaitedFor",
            told(an_app(), {}, with_claim_error(an_app(), kExhausted, at(11)), at(10)),
            {},
            "wait until 11",
            with_claim_error(an_app(), kExhausted, at(11))},
        Row{"IsTriedAgain",
            told(an_app(), {}, with_claim_error(an_app(), kExhausted, at(11)), at(10)),
            {},
            "claim 1",
            with_claim_error(an_app(), kExhausted, at(11)),
            11},
        Row{"LeavesTheOlderReady",
            a_ready_app(1, 2),
            {a_box("s1", 1, listening, true)},
            "status Ready: Running of 1; going on: Claiming of 2",
            with_claim_error(a_ready_app(1, 2), kExhausted, at(11))}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    Restart, Step,
    ::testing::Values(Row{"InPlaceIsTold",
                          a_ready_app(1, 1),
                          {a_box("s1", 1, starting, true)},
                          "status Starting: Restarting of 1; going on: Restarting of 1",
                          {},
                          1000},
                      Row{"IsReadyAgainByItself",
                          told(a_ready_app(1, 1), {a_box("s1", 1, starting, true)}, {}, at(1000)),
                          {a_box("s1", 1, listening, true)},
                          "status Ready: Running of 1",
                          {},
                          1001},
                      Row{"HasItsOwnTime",
                          told(a_ready_app(1, 1), {a_box("s1", 1, starting, true)}, {}, at(1000)),
                          {a_box("s1", 1, starting, true)},
                          "wait until 1060",
                          {},
                          1001},
                      Row{"ThatNeverListensIsFailed",
                          told(a_ready_app(1, 1), {a_box("s1", 1, starting, true)}, {}, at(1000)),
                          {a_box("s1", 1, starting, true)},
                          "status Failed: NotListening of 1; failed: NotListening of 1",
                          {},
                          1060},
                      Row{"TooOftenIsFailed",
                          a_ready_app(1, 1),
                          {a_box("s1", 1, failed, true)},
                          "status Failed: AppExited of 1; failed: AppExited of 1"},
                      Row{"TooOftenReleases",
                          told(a_ready_app(1, 1), {a_box("s1", 1, failed, true)}),
                          {a_box("s1", 1, failed, true)},
                          "release s1"},
                      Row{"OfTheOlderIsToldWhileANewerStarts",
                          a_ready_app(1, 2),
                          {a_box("s1", 1, starting, true), a_box("b", 2, starting)},
                          "status Starting: Restarting of 1; going on: Starting of 2"}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    LostSandbox, Step,
    ::testing::Values(
        Row{"IsForgotten", a_ready_app(1, 1), {a_box("s1", 1, gone, true)}, "release lost s1"},
        Row{"IsTold",
            a_ready_app(1, 1),
            {},
            "status Starting: SandboxLost of 1; going on: SandboxLost of 1"},
        Row{"IsClaimedAgainForTheSameGeneration",
            told(a_ready_app(1, 1), {}),
            {},
            "claim 1",
            with_losses(an_app(), 1)},
        Row{"KeepsItsReasonWhileAnotherBoots",
            told(a_ready_app(1, 1), {}),
            {a_box("b", 1, pending)},
            "status Starting: SandboxLost of 1; going on: SandboxLost of 1",
            with_losses(an_app(), 1)},
        Row{"ASecondTimeWaitsFirst",
            a_ready_app(1, 1),
            {},
            "status Starting: SandboxLost of 1; going on: SandboxLost of 1",
            with_losses(an_app(), 2),
            0},
        Row{"ASecondTimeComesBack",
            told(a_ready_app(1, 1), {}, with_losses(an_app(), 2), at(0)),
            {},
            "wait until 1",
            with_losses(an_app(), 2),
            0},
        Row{"BeforeItListenedIsClaimedAgain", an_app(), {a_box("a", 1, gone)}, "release lost a"},
        Row{"OfAnOlderGenerationIsJustReleased",
            a_ready_app(1, 2),
            {a_box("old", 1, gone), a_box("b", 2, bound)},
            "release old"},
        Row{"BesideALivingOneIsJustReleased",
            a_ready_app(1, 1),
            {a_box("a", 1, gone), a_box("s1", 1, listening, true)},
            "release a"}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    Suspended, Step,
    ::testing::Values(
        Row{"ReleasesAll",
            suspended(a_ready_app(1, 2)),
            {a_box("s1", 1, listening, true)},
            "release s1"},
        Row{"ReleasesWhatStartsToo", suspended(an_app()), {a_box("a", 1, starting)}, "release a"},
        Row{"IsTold", suspended(a_ready_app(1, 2)), {}, "status Suspended: Suspended of 2"},
        Row{"Rests", told(suspended(a_ready_app(1, 2)), {}), {}, "wait"},
        Row{"ResumesLikeADeploy",
            [] {
              App app = told(suspended(a_ready_app(1, 2)), {});
              app.spec.suspended = false;
              app.generation = 3;
              return app;
            }(),
            {},
            "claim 3"},
        Row{"OfAFailedAppIsSuspended",
            suspended(failed_app(1)),
            {},
            "status Suspended: Suspended of 1"}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    Removed, Step,
    ::testing::Values(
        Row{"ReleasesAll",
            removed(a_ready_app(1, 1)),
            {a_box("s1", 1, listening, true)},
            "release s1"},
        Row{"ReleasesEvenTheDead", removed(an_app()), {a_box("a", 1, gone)}, "release a"},
        Row{"WinsOverSuspended", removed(suspended(an_app())), {}, "finish_remove"},
        Row{"ThenLetsTheRecordGo", removed(failed_app(1)), {}, "finish_remove"}),
    row_name);

AppStatus status_of(const Action& action) { return std::get<WriteStatus>(action).status; }

TEST(StepStatus, ReadySaysWhereAndWhatAndSinceWhen) {
  App app = an_app(3);
  AppStatus status =
      status_of(step(app, {a_box("s3", 3, listening, true)}, {}, at(7), {.url_port = 18080}));
  EXPECT_EQ(status.url, "http://" + app_label("vibed-apps", "web") + ".localhost:18080");
  EXPECT_EQ(status.sandbox_ref, "s3");
  EXPECT_EQ(status.route_target, "unix//run/web.sock");
  EXPECT_EQ(status.runtime_version, "node v20.20.2");
  EXPECT_EQ(status.start_command, "node server.js (package.json: main)");
  EXPECT_EQ(status.last_deployed_at, at(7));
  EXPECT_EQ(status.observed_generation, 3);
  EXPECT_EQ(status.conditions.front().type, "SourceValid");
}

TEST(StepStatus, AMoreRecentSandboxOfTheSameGenerationIsNoNewDeploy) {
  App app = told(a_ready_app(1, 1), {});
  AppStatus status = status_of(step(app, {a_box("b", 1, listening, true)}, {}, at(99), {}));
  EXPECT_EQ(status.last_deployed_at, app.status.last_deployed_at);
  EXPECT_EQ(status.sandbox_ref, "b");
}

TEST(StepStatus, ASuspendedAppKeepsItsUrlAndNothingElse) {
  App app = suspended(a_ready_app(1, 2));
  AppStatus status = status_of(step(app, {}, {}, at(9), {}));
  EXPECT_EQ(status.url, app_url(app, {}));
  EXPECT_EQ(status.sandbox_ref, "");
  EXPECT_EQ(status.route_target, "");
}

TEST(StepStatus, AUrlFollowsThePortOfTheFrontDoor) {
  App app = a_ready_app(1, 1);
  AppStatus status =
      status_of(step(app, {a_box("s1", 1, listening, true)}, {}, at(9), {.url_port = 1234}));
  EXPECT_TRUE(status.url.ends_with(":1234"));
}

TEST(StepStatus, AnAppThatHasNotServedHasNoUrl) {
  EXPECT_EQ(status_of(step(an_app(), {a_box("a", 1, pending)}, {}, at(9), {})).url, "");
}

TEST(StepStatus, AFailureShowsTheAppsOwnLastLines) {
  Sandbox box = a_box("f", 1, failed);
  box.log_tail.clear();
  for (int i = 0; i < 30; ++i) box.log_tail.push_back("line " + std::to_string(i));
  AppStatus status = status_of(step(an_app(), {box}, {}, at(9), {}));
  std::string message = find_condition(status, "Ready")->message;
  EXPECT_TRUE(message.starts_with("the app exited with status 1 before it listened\nline 20\n"))
      << message;
  EXPECT_TRUE(message.ends_with("\nline 29")) << message;
}

TEST(StepStatus, AFailuresMessageIsBoundedAndStaysUtf8) {
  Sandbox box = a_box("f", 1, failed);
  std::string snow = "x";  // so that no limit falls on a character's end by luck
  while (snow.size() < 5000) snow += "\xE2\x98\x83";
  box.message = snow;
  box.log_tail = {snow, snow, snow, snow};
  AppStatus status = status_of(step(an_app(), {box}, {}, at(9), {}));
  EXPECT_LE(find_condition(status, "Ready")->message.size(), 2048U);
  App app = an_app();
  app.status = status;
  EXPECT_NO_THROW(to_json(app));
}

TEST(StepStatus, ADependencyThatIsMissingIsNamed) {
  Sandbox box = a_box("f", 1, failed);
  box.log_tail = {"Error: Cannot find module 'express'"};
  AppStatus status = status_of(step(an_app(), {box}, {}, at(9), {}));
  std::string message = find_condition(status, "Ready")->message;
  EXPECT_NE(message.substr(0, message.find('\n')).find("express"), std::string::npos) << message;
}

TEST(StepStatus, NeverListeningSaysWhatToDo) {
  AppStatus status = status_of(step(an_app(), {a_box("a", 1, starting)}, {}, at(60), {}));
  EXPECT_EQ(find_condition(status, "Ready")->message,
            "nothing listened within 60 s: the app must listen on the port in $PORT (8080)");
}

TEST(StepStatus, ResumingSaysSo) {
  App app = told(suspended(a_ready_app(1, 2)), {});
  app.spec.suspended = false;
  app.generation = 3;
  AppStatus status = status_of(step(app, {a_box("b", 3, pending)}, {}, at(9), {}));
  EXPECT_EQ(find_condition(status, "Ready")->message, "restoring; re-claiming warm pool");
}

TEST(StepStatus, AClaimCarriesWhatThePoolNeeds) {
  App app = an_app(4);
  app.spec.owner = "ada";
  Action action = step(app, {}, {}, at(0), {});
  const SandboxRequest& request = std::get<Claim>(action).request;
  EXPECT_EQ(request.app, "web");
  EXPECT_EQ(request.app_uid, "uid-web");
  EXPECT_EQ(request.label, app_label("vibed-apps", "web"));
  EXPECT_EQ(request.generation, 4);
  EXPECT_EQ(request.owner, "ada");
  EXPECT_EQ(request.template_name, "node-24");
}

TEST(StepStatus, AnInjectionCarriesTheSpec) {
  App app = an_app();
  app.spec.entrypoint = "node x.js";
  app.spec.env = {{"A", "1"}};
  Action action = step(app, {a_box("a", 1, bound)}, {}, at(0), {});
  const Injection& injection = std::get<Inject>(action).injection;
  EXPECT_EQ(injection.source, "web.v1.key");
  EXPECT_EQ(injection.entrypoint, "node x.js");
  EXPECT_EQ(injection.env, app.spec.env);
}

}  // namespace
}  // namespace vibed::lifecycle
