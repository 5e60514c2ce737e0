// Events as they arrive in the cluster.
#include "control/recorder.hpp"

#include <gtest/gtest.h>

#include "kube/worlds.hpp"

namespace vibed::control {
namespace {

using kube::event_records;
using testing::Fault;
using testing::Kind;

class RecorderContract : public testing::KubeTest {
 protected:
  void SetUp() override {
    KubeTest::SetUp();
    if (IsSkipped()) return;
    object_ = *client_->create(kube::config_maps(), config_map("a"));
    recorder_ = Recorder::start(*client_, "vibed.dev/test", "test-1");
  }

  std::vector<Json> events() {
    auto list = client_->list(event_records(), {.space = space_});
    EXPECT_TRUE(list) << list.error().message;
    return list ? list->items : std::vector<Json>();
  }

  Json object_;
  std::unique_ptr<Recorder> recorder_;
};

TEST_P(RecorderContract, AnEventIsInTheClusterWithWhatItIsAbout) {
  recorder_->record(object_, {true, "Failed", "Start", "it exited with 1"});
  recorder_.reset();
  const auto all = events();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(kube::text_at(all[0], {"reason"}), "Failed");
  EXPECT_EQ(kube::text_at(all[0], {"type"}), "Warning");
  EXPECT_EQ(kube::text_at(all[0], {"note"}), "it exited with 1");
  EXPECT_EQ(kube::text_at(all[0], {"regarding", "uid"}), kube::uid_of(object_));
}

TEST_P(RecorderContract, RepetitionsBecomeOneEventWithACount) {
  for (int i = 0; i < 8; ++i) recorder_->record(object_, {false, "Waiting", "Claim", "no sandbox"});
  recorder_.reset();
  const auto all = events();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(kube::find(all[0], {"series", "count"}), 8);
}

INSTANTIATE_TEST_SUITE_P(On, RecorderContract, ::testing::Values(Kind::fake, Kind::real),
                         testing::name_of);

class RecorderFaults : public RecorderContract {};

TEST_P(RecorderFaults, AnEventThatTheClusterForgotIsMadeAgain) {
  recorder_->record(object_, {false, "R", "A", "n"});
  fake_->wait_for_requests("POST /apis/events", 1);
  while (events().empty()) std::this_thread::yield();
  fake_->remove(event_records(), kube::key_of(events()[0]));
  recorder_->record(object_, {false, "R", "A", "n"});
  recorder_.reset();
  ASSERT_EQ(events().size(), 1U);
  EXPECT_EQ(kube::find(events()[0], {"series", "count"}), 2);
}

TEST_P(RecorderFaults, AServerThatTakesNoEventsHoldsNobodyUp) {
  fake_->inject({.what = Fault::What::refuse,
                 .times = 1'000'000,
                 .path = "/apis/events",
                 .refusal = {403, "Forbidden", "no", {}}});
  const auto from = std::chrono::steady_clock::now();
  for (int i = 0; i < 5000; ++i) {
    recorder_->record(object_, {false, "R", "A", std::to_string(i)});
  }
  recorder_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(10));
}

INSTANTIATE_TEST_SUITE_P(On, RecorderFaults, ::testing::Values(Kind::fake), testing::name_of);

}  // namespace
}  // namespace vibed::control
