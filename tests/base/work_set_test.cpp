#include "base/work_set.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "base/work_queue.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;

const WorkSet::Time t0{};

TEST(WorkSet, AKeyAddedTwiceIsTakenOnce) {
  WorkSet set;
  set.add("a");
  set.add("a");
  EXPECT_EQ(set.take(t0), "a");
  EXPECT_EQ(set.take(t0), std::nullopt);
}

TEST(WorkSet, AKeyAddedWhileInWorkComesBackOnlyAfterFinish) {
  WorkSet set;
  set.add("a");
  ASSERT_EQ(set.take(t0), "a");
  set.add("a");
  EXPECT_EQ(set.take(t0), std::nullopt);
  set.finish("a");
  EXPECT_EQ(set.take(t0), "a");
}

TEST(WorkSet, AKeyForLaterComesWhenItIsDue) {
  WorkSet set;
  set.add_at("a", t0 + 10ms);
  EXPECT_EQ(set.take(t0 + 9ms), std::nullopt);
  EXPECT_EQ(set.next_due(), t0 + 10ms);
  EXPECT_EQ(set.take(t0 + 10ms), "a");
  EXPECT_EQ(set.next_due(), std::nullopt);
}

TEST(WorkSet, TheEarliestOfSeveralTimesWins) {
  WorkSet set;
  set.add_at("a", t0 + 10ms);
  set.add_at("a", t0 + 5ms);
  set.add_at("a", t0 + 20ms);
  EXPECT_EQ(set.next_due(), t0 + 5ms);
}

TEST(WorkSet, AddOvertakesAllTimes) {
  WorkSet set;
  set.add_at("a", t0 + 10ms);
  set.add("a");
  EXPECT_EQ(set.take(t0), "a");
  set.finish("a");
  EXPECT_EQ(set.take(t0 + 1h), std::nullopt);
}

TEST(WorkSet, ATimeThatComesWhileInWorkIsNotLost) {
  WorkSet set;
  set.add("a");
  ASSERT_EQ(set.take(t0), "a");
  set.add_at("a", t0 + 1ms);
  EXPECT_EQ(set.take(t0 + 1ms), std::nullopt);
  set.finish("a");
  EXPECT_EQ(set.take(t0 + 1ms), "a");
}

TEST(WorkSet, FlowsTakeTurns) {
  WorkSet set;
  for (const char* key : {"a1", "a2", "a3", "a4"}) {
    set.assign(key, "a");
    set.add(key);
  }
  set.assign("b1", "b");
  set.add("b1");
  set.add("nobodys");
  std::string order;
  while (auto key = set.take(t0)) order += *key + " ";
  EXPECT_EQ(order, "a1 b1 nobodys a2 a3 a4 ");
}

TEST(WorkSet, AKeyThatComesBackGoesBehindTheOthersOfItsFlow) {
  WorkSet set;
  for (const char* key : {"a1", "a2"}) {
    set.assign(key, "a");
    set.add(key);
  }
  EXPECT_EQ(set.take(t0), "a1");
  set.add("a1");
  set.finish("a1");
  EXPECT_EQ(set.take(t0), "a2");
  EXPECT_EQ(set.take(t0), "a1");
  EXPECT_EQ(set.take(t0), std::nullopt);
}

TEST(WorkSet, AFlowThatIsChangedOrForgottenCountsFromTheNextMarkOn) {
  WorkSet set;
  set.assign("k", "a");
  set.add("k");
  set.assign("k", "b");
  EXPECT_EQ(set.take(t0), "k") << "it stays where it stands";
  set.add("k");
  set.finish("k");
  for (const char* key : {"b1", "c1"}) {
    set.assign(key, std::string(1, key[0]));
    set.add(key);
  }
  EXPECT_EQ(set.take(t0), "k");
  EXPECT_EQ(set.take(t0), "c1") << "k has had the turn of b";
  EXPECT_EQ(set.take(t0), "b1");
  set.finish("k");
  set.assign("k", "");
  set.add("k");
  EXPECT_EQ(set.take(t0), "k");
}

TEST(WorkSet, BackoffDoublesUpToElevenMinutesAndIsForgotten) {
  WorkSet set;
  EXPECT_EQ(set.backoff("a"), 5ms);
  EXPECT_EQ(set.backoff("a"), 10ms);
  EXPECT_EQ(set.backoff("b"), 5ms);
  for (int i = 0; i < 40; ++i) set.backoff("a");
  EXPECT_GT(set.backoff("a"), 10min);
  EXPECT_LE(set.backoff("a"), 11min);
  set.forget("a");
  EXPECT_EQ(set.backoff("a"), 5ms);
}

TEST(WorkQueue, EveryKeyIsTakenAndNoKeyHasTwoWorkers) {
  WorkQueue queue;
  constexpr int kKeys = 20;
  std::atomic<int> taken = 0;
  std::atomic<bool> twice = false;
  std::array<std::atomic<int>, kKeys> busy = {};
  std::vector<std::jthread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&](std::stop_token stop) {
      while (auto key = queue.take(stop)) {
        auto index = static_cast<std::size_t>(std::stoi(*key));
        if (++busy[index] > 1) twice = true;
        ++taken;
        --busy[index];
        queue.finish(*key);
        taken.notify_all();
      }
    });
  }
  for (int i = 0; i < kKeys; ++i) queue.add(std::to_string(i));
  for (int seen = taken; seen < kKeys; seen = taken) taken.wait(seen);
  workers.clear();
  EXPECT_EQ(taken, kKeys);
  EXPECT_FALSE(twice);
}

TEST(WorkQueue, AWaitingWorkerIsWokenByAnEarlierTime) {
  WorkQueue queue;
  queue.add_at("late", std::chrono::steady_clock::now() + 1h);
  std::optional<std::string> key;
  std::jthread worker([&](std::stop_token stop) { key = queue.take(stop); });
  queue.add_at("soon", std::chrono::steady_clock::now() + 1ms);
  worker.join();
  EXPECT_EQ(key, "soon");
}

TEST(WorkQueue, AStopEndsTheWait) {
  WorkQueue queue;
  std::optional<std::string> key = "none";
  std::jthread worker([&](std::stop_token stop) { key = queue.take(stop); });
  worker.request_stop();
  worker.join();
  EXPECT_EQ(key, std::nullopt);
}

}  // namespace
}  // namespace vibed
