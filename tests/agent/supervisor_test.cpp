#include "agent/supervisor.hpp"

#include <gtest/gtest.h>

namespace vibed::agent {
namespace {

using namespace std::chrono_literals;

class SupervisorTest : public ::testing::Test {
 protected:
  // Starts what is due and lets it listen.
  void run() {
    ASSERT_TRUE(app_.due());
    now_ = *app_.due();
    app_.spawned(now_);
    app_.listening();
  }
  void end_after(std::chrono::seconds life, ExitStatus status = {1, 0}) {
    now_ += life;
    app_.exited(status, now_);
  }

  Supervisor app_;
  Supervisor::Time now_{};
};

TEST_F(SupervisorTest, StartsAtOnceAndListens) {
  EXPECT_EQ(app_.state(), AppState::idle);
  EXPECT_FALSE(app_.due());
  app_.start(now_);
  EXPECT_EQ(app_.state(), AppState::starting);
  EXPECT_EQ(app_.due(), now_);
  app_.spawned(now_);
  EXPECT_FALSE(app_.due());
  app_.listening();
  EXPECT_EQ(app_.state(), AppState::listening);
}

TEST_F(SupervisorTest, EndingBeforeListeningIsFinalWhateverTheCode) {
  for (ExitStatus status : {ExitStatus{0, 0}, ExitStatus{3, 0}, ExitStatus{-1, 9}}) {
    app_.start(now_);
    app_.spawned(now_);
    app_.exited(status, now_);
    EXPECT_EQ(app_.state(), AppState::failed);
    EXPECT_EQ(app_.reason(), "AppExited");
    EXPECT_EQ(app_.exit_status(), status);
    EXPECT_FALSE(app_.due());
  }
  EXPECT_EQ(app_.message(), "the app was killed by signal 9 before it listened");
}

TEST_F(SupervisorTest, AnAppThatHasListenedIsStartedAgainLaterAndLater) {
  app_.start(now_);
  run();
  for (auto delay : {100ms, 200ms, 400ms, 800ms}) {
    end_after(1s);
    EXPECT_EQ(app_.state(), AppState::restarting);
    EXPECT_EQ(*app_.due() - now_, delay);
    run();
    EXPECT_EQ(app_.state(), AppState::listening);
  }
  EXPECT_EQ(app_.restarts(), 4);
  end_after(1s);
  EXPECT_EQ(app_.state(), AppState::failed);
  EXPECT_EQ(app_.reason(), "CrashLoop");
  EXPECT_FALSE(app_.due());
}

TEST_F(SupervisorTest, ALongLifeMakesUpForTheCrashesBefore) {
  app_.start(now_);
  run();
  for (int i = 0; i < 50; ++i) {
    end_after(60s);
    ASSERT_EQ(app_.state(), AppState::restarting);
    EXPECT_EQ(*app_.due() - now_, 100ms);
    run();
  }
  EXPECT_EQ(app_.restarts(), 50);
}

TEST_F(SupervisorTest, ARestartThatNeverListensIsACrashLikeAnyOther) {
  app_.start(now_);
  run();
  end_after(1s);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(app_.state(), AppState::restarting);
    now_ = *app_.due();
    app_.spawned(now_);
    EXPECT_EQ(app_.state(), AppState::restarting) << "it does not listen yet";
    app_.exited({1, 0}, now_);
  }
  EXPECT_EQ(app_.reason(), "CrashLoop");
}

TEST_F(SupervisorTest, WhatCannotBeStartedFailsAtFirstAndIsRetriedLater) {
  app_.start(now_);
  app_.spawn_failed("execute x: No such file or directory", now_);
  EXPECT_EQ(app_.reason(), "StartFailed");
  app_.start(now_);
  run();
  end_after(1s);
  app_.spawn_failed("start a process: Resource temporarily unavailable", now_);
  EXPECT_EQ(app_.state(), AppState::restarting);
  EXPECT_EQ(*app_.due() - now_, 200ms);
}

TEST_F(SupervisorTest, WithoutRestartsTheFirstEndIsFinal) {
  app_.start(now_, false);
  run();
  end_after(1s, {0, 0});
  EXPECT_EQ(app_.state(), AppState::failed);
  EXPECT_EQ(app_.reason(), "AppExited");
}

TEST_F(SupervisorTest, AStoppedAppStaysStoppedWhenItEnds) {
  app_.start(now_);
  run();
  app_.stop();
  app_.exited({-1, 15}, now_);
  EXPECT_EQ(app_.state(), AppState::idle);
  EXPECT_FALSE(app_.due());
}

}  // namespace
}  // namespace vibed::agent
