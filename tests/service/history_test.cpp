#include "service/history.hpp"

#include <gtest/gtest.h>

namespace vibed {
namespace {

AppVersion version(std::int64_t number, const std::string& key) {
  AppVersion made;
  made.version = number;
  made.source_key = key;
  return made;
}

TEST(History, TheOldestVersionGoesAndWithItASourceThatNobodyNames) {
  App app;
  app.versions = {version(1, "one"), version(2, "two")};
  app.spec.source = "three";
  EXPECT_EQ(next_version(app), 3);
  EXPECT_EQ(add_version(app, version(3, "three"), 2), std::vector<std::string>{"one"});
  EXPECT_EQ(app.versions.size(), 2u);
  EXPECT_EQ(app.versions[0].version, 2);
  EXPECT_EQ(next_version(app), 4);
}

TEST(History, ASourceThatAKeptVersionNamesStays) {
  App app;
  app.versions = {version(1, "one"), version(2, "two")};
  app.spec.source = "one";
  EXPECT_TRUE(add_version(app, version(3, "one"), 2).empty());
  EXPECT_TRUE(add_version(app, version(4, "one"), 1).at(0) == "two");
}

TEST(History, AtLeastOneVersionIsKept) {
  App app;
  app.spec.source = "one";
  EXPECT_TRUE(add_version(app, version(1, "one"), 0).empty());
  EXPECT_EQ(app.versions.size(), 1u);
}

App app_with(Phase phase, std::int64_t serving, std::vector<Condition> conditions = {}) {
  App app;
  app.generation = 2;
  app.status.phase = phase;
  app.status.observed_generation = serving;
  app.status.conditions = std::move(conditions);
  return app;
}

TEST(Outcome, IsThatOfTheGenerationAskedFor) {
  EXPECT_EQ(outcome_of(app_with(Phase::none, 0), 2), Outcome::waiting);
  EXPECT_EQ(outcome_of(app_with(Phase::ready, 1), 2), Outcome::waiting) << "the older one serves";
  EXPECT_EQ(outcome_of(app_with(Phase::ready, 2), 2), Outcome::ready);
  EXPECT_EQ(outcome_of(app_with(Phase::ready, 3), 2), Outcome::ready) << "a newer one serves";
  EXPECT_EQ(outcome_of(app_with(Phase::starting, 2), 2), Outcome::waiting);
}

TEST(Outcome, AFailureCountsFromItsGenerationOn) {
  Condition failed{"Progressing", false, "AppExited", "", {}, 2};
  EXPECT_EQ(outcome_of(app_with(Phase::ready, 1, {failed}), 2), Outcome::failed);
  EXPECT_EQ(outcome_of(app_with(Phase::ready, 1, {failed}), 3), Outcome::waiting);
  Condition under_way{"Progressing", true, "Starting", "", {}, 2};
  EXPECT_EQ(outcome_of(app_with(Phase::ready, 1, {under_way}), 2), Outcome::waiting);
  Condition not_ready{"Ready", false, "AppExited", "", {}, 2};
  EXPECT_EQ(outcome_of(app_with(Phase::failed, 0, {not_ready}), 2), Outcome::failed);
  EXPECT_EQ(outcome_of(app_with(Phase::starting, 0, {not_ready}), 2), Outcome::waiting);
  EXPECT_EQ(outcome_of(app_with(Phase::failed, 0, {not_ready}), 3), Outcome::waiting)
      << "the failure of an older generation";
}

TEST(Outcome, NothingIsWaitedForWhileSuspended) {
  App app = app_with(Phase::ready, 1);
  app.spec.suspended = true;
  EXPECT_EQ(outcome_of(app, 2), Outcome::failed);
}

}  // namespace
}  // namespace vibed
