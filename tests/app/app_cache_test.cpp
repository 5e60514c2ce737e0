#include "app/app_cache.hpp"

#include <gtest/gtest.h>

#include <random>

namespace vibed {
namespace {

RecordPointer record(const std::string& name, std::int64_t version, const std::string& uid = "") {
  auto made = std::make_shared<KubernetesRecord>();
  made->app.name = name;
  made->app.space = "vibed-apps";
  made->app.uid = uid.empty() ? "uid-" + name : uid;
  made->app.resource_version = version;
  return made;
}

AppCache::News is(const RecordPointer& state) {
  return {state->app.name, state->app.uid, state, state->app.resource_version};
}

AppCache::News gone(const std::string& name, const std::string& uid = "") {
  return {name, uid.empty() ? "uid-" + name : uid, nullptr, 0};
}

// What a watch is told that stands at `position`: "a20 -b21 ", each with its version.
std::string told(const AppCache& cache, WatchPosition position) {
  std::string text;
  while (auto change = cache.first_after(position)) {
    const App& app = change->event.app;
    text += change->event.gone ? "-" : "";
    text += app.name + std::to_string(app.resource_version) + " ";
    EXPECT_GT(change->place, position.live);
    EXPECT_GE(change->place, app.resource_version) << "else who begins again misses something";
    position = {change->place, std::max(position.gone, change->place)};
  }
  return text;
}

class Cache : public ::testing::Test {
 protected:
  std::int64_t version_of(const std::string& name) {
    const RecordPointer found = cache_.find(name);
    return found == nullptr ? 0 : found->app.resource_version;
  }

  AppCache cache_{"vibed-apps"};
};

TEST_F(Cache, WhatWasWrittenIsReadAtOnceAndToldByTheWatchAlone) {
  cache_.told({is(record("a", 5))}, 5);
  cache_.learned(record("a", 9));
  EXPECT_EQ(version_of("a"), 9);
  EXPECT_FALSE(cache_.is_caught_up());
  EXPECT_EQ(told(cache_, {5, 5}), "");
  // Somebody else's change that was written before ours, and arrives after our answer.
  cache_.told({is(record("b", 8))}, 8);
  EXPECT_EQ(version_of("a"), 9);
  cache_.told({is(record("a", 9))}, 9);
  EXPECT_TRUE(cache_.is_caught_up());
  EXPECT_EQ(told(cache_, {5, 5}), "b8 a9 ");
}

TEST_F(Cache, AnAnswerThatComesAfterItsEventChangesNothing) {
  cache_.told({is(record("a", 9))}, 9);
  cache_.learned(record("a", 7));
  EXPECT_EQ(version_of("a"), 9);
  cache_.learned(record("b", 20));
  cache_.learned(record("b", 15));
  EXPECT_EQ(version_of("b"), 20);
}

TEST_F(Cache, WhatWasLetGoIsNotThereAndDoesNotComeBack) {
  cache_.told({is(record("a", 5))}, 5);
  cache_.learned_gone("a", "uid-a", 6);
  EXPECT_EQ(cache_.find("a"), nullptr);
  EXPECT_EQ(cache_.find_by_label(app_label("vibed-apps", "a")), nullptr);
  cache_.learned(record("a", 6));              // a status that was written before, answered late
  cache_.told({is(record("a", 6))}, 6);        // and its event
  cache_.told({is(record("other", 12))}, 12);  // the removal was 13
  EXPECT_EQ(cache_.find("a"), nullptr);
  cache_.told({gone("a")}, 13);
  EXPECT_TRUE(cache_.is_caught_up());
  EXPECT_EQ(told(cache_, {5, 5}), "other12 -a13 ");
}

TEST_F(Cache, ANewAppUnderTheNameOfOneThatWasLetGoIsRead) {
  cache_.told({is(record("a", 5))}, 5);
  cache_.learned_gone("a", "uid-a", 6);
  cache_.learned(record("a", 9, "second"));
  cache_.learned_gone("a", "uid-a", 6);  // told again
  EXPECT_EQ(version_of("a"), 9);
  EXPECT_NE(cache_.find_by_label(app_label("vibed-apps", "a")), nullptr);
  cache_.told({gone("a")}, 7);
  EXPECT_EQ(version_of("a"), 9);
  cache_.told({is(record("a", 9, "second"))}, 9);
  EXPECT_EQ(told(cache_, {5, 5}), "-a7 a9 ");
}

TEST_F(Cache, AnAppThatCameAndWentBetweenTwoListsIsForgotten) {
  cache_.told({}, 5);
  cache_.learned(record("a", 7));
  cache_.learned(record("b", 8));
  cache_.learned_gone("b", "uid-b", 9);
  cache_.told({}, 20);
  EXPECT_EQ(cache_.find("a"), nullptr);
  EXPECT_TRUE(cache_.is_caught_up());
  EXPECT_EQ(cache_.find_by_label(app_label("vibed-apps", "a")), nullptr);
}

TEST_F(Cache, AllHasWhatIsToldAndWhatIsAheadInTheOrderOfNames) {
  cache_.told({is(record("a", 1)), is(record("c", 2)), is(record("e", 3))}, 4);
  for (const char* name : {"b", "c", "f"}) cache_.learned(record(name, 9));
  cache_.learned_gone("a", "uid-a", 5);
  std::string names;
  for (const RecordPointer& one : cache_.all()) {
    names += one->app.name + std::to_string(one->app.resource_version) + " ";
  }
  EXPECT_EQ(names, "b9 c9 e3 f9 ");
}

TEST_F(Cache, AListIsToldInTheOrderOfVersionsWithItsRemovals) {
  cache_.told({is(record("a", 1)), is(record("b", 2)), is(record("c", 3))}, 10);
  cache_.told({gone("a"), gone("b"), gone("c"), is(record("c", 14, "second")), is(record("d", 12))},
              30);
  // Two removals of which only the list is known: each is told, and the old c before the new one.
  EXPECT_EQ(told(cache_, {10, 10}), "d12 -c13 c14 -a30 -b31 ");
  cache_.told({is(record("d", 31))}, 31);
  EXPECT_EQ(told(cache_, {31, 31}), "d31 ");
}

TEST_F(Cache, AChangeThatComesOutOfOrderReachesWatchesThatAreBeyondIt) {
  cache_.told({is(record("a", 20))}, 20);
  EXPECT_EQ(told(cache_, {0, 20}), "a20 ");
  cache_.told({is(record("b", 15))}, 20);
  EXPECT_EQ(told(cache_, {20, 20}), "b15 ");
  EXPECT_EQ(told(cache_, {15, 15}), "a20 b15 ") << "begun again at what was told last";
}

TEST_F(Cache, WhatWentBeforeTheFirstListIsNotKnown) {
  cache_.told({is(record("a", 3))}, 50);
  EXPECT_EQ(cache_.horizon(), 50);
  cache_.told({is(record("a", 60))}, 60);
  EXPECT_EQ(cache_.horizon(), 50);
}

// Whatever is written, lost, told late or only by a list: a watch ends with the truth, and so do
// reads.
TEST_F(Cache, AWatchBesideRandomListsAndEventsEndsWithTheTruth) {
  std::minstd_rand random(7);
  const auto chance = [&](unsigned of) { return random() % of == 0; };
  std::map<std::string, RecordPointer> truth, sent, seen;
  std::int64_t version = 100;
  std::int64_t sent_version = 0;
  WatchPosition position;
  const auto send = [&] {
    std::vector<AppCache::News> news;
    for (const auto& [name, old] : sent) {
      const auto now = truth.find(name);
      const bool is_gone = now == truth.end() || now->second->app.uid != old->app.uid;
      if (is_gone) news.push_back(gone(name, old->app.uid));
    }
    for (const auto& [name, now] : truth) {
      if (!sent.contains(name) || sent[name] != now) news.push_back(is(now));
    }
    sent = truth;
    sent_version = version;
    cache_.told(std::move(news), version);
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string name(1, static_cast<char>('a' + random() % 8));
    const auto old = truth.find(name);
    ++version;
    if (old == truth.end()) {
      truth[name] = record(name, version, std::to_string(version));
    } else if (chance(3)) {
      if (chance(2)) cache_.learned_gone(name, old->second->app.uid, version - 1);
      truth.erase(old);
    } else {
      truth[name] = record(name, version, old->second->app.uid);
    }
    if (truth.contains(name) && chance(2)) cache_.learned(truth[name]);
    if (chance(4)) send();
    if (!chance(5)) continue;
    while (auto change = cache_.first_after(position)) {
      position = {change->place, std::max(position.gone, change->place)};
      const App& app = change->event.app;
      if (!change->event.gone) {
        seen[app.name] = record(app.name, app.resource_version, app.uid);
      } else if (seen.contains(app.name) && seen[app.name]->app.uid == app.uid) {
        seen.erase(app.name);
      }
    }
    if (sent_version != version) continue;
    ASSERT_EQ(seen.size(), truth.size());
    ASSERT_EQ(cache_.all().size(), truth.size());
    ASSERT_TRUE(cache_.is_caught_up());
    for (const auto& [key, now] : truth) {
      ASSERT_EQ(seen[key]->app.resource_version, now->app.resource_version);
      ASSERT_EQ(cache_.find(key), now);
    }
    cache_.prune(position.gone);
  }
}

}  // namespace
}  // namespace vibed
