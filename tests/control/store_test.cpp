#include "control/store.hpp"

#include <gtest/gtest.h>

#include <random>

namespace vibed::control {
namespace {

using kube::EventType;
using kube::WatchEvent;

Json object(const std::string& name, int version, const std::string& owner = "") {
  Json object = {{"metadata",
                  {{"name", name},
                   {"namespace", "s"},
                   {"uid", "u-" + name},
                   {"resourceVersion", std::to_string(version)}}}};
  if (!owner.empty()) object["owner"] = owner;
  return object;
}

WatchEvent event(EventType type, const std::string& name, int version,
                 const std::string& owner = "") {
  return {type, object(name, version, owner)};
}

std::map<std::string, IndexOf> by_owner() {
  return {{"owner", [](const Json& each) {
             return std::vector<std::string>{kube::text_at(each, {"owner"})};
           }}};
}

std::vector<std::string> names(const std::vector<Object>& objects) {
  std::vector<std::string> names;
  for (const Object& each : objects) names.push_back(kube::key_of(*each).name);
  return names;
}

using Names = std::vector<std::string>;
using Kind = Change::Kind;

TEST(Store, EventsAddUpdateAndRemove) {
  Store store;
  store.replace({}, "1");
  auto added = store.apply(event(EventType::added, "a", 2));
  ASSERT_TRUE(added.change);
  EXPECT_EQ(added.change->kind, Kind::added);
  auto updated = store.apply(event(EventType::modified, "a", 3));
  EXPECT_EQ(updated.change->kind, Kind::updated);
  EXPECT_EQ(kube::version_of(*updated.change->before), "2");
  EXPECT_EQ(kube::version_of(*updated.change->after), "3");
  auto removed = store.apply(event(EventType::deleted, "a", 4));
  EXPECT_EQ(removed.change->kind, Kind::removed);
  EXPECT_FALSE(removed.change->final_state_unknown);
  EXPECT_EQ(store.size(), 0U);
  EXPECT_EQ(store.version(), "4");
}

TEST(Store, AnAddedOfWhatIsKnownIsAnUpdate) {
  Store store;
  store.replace({object("a", 1)}, "1");
  EXPECT_EQ(store.apply(event(EventType::added, "a", 2)).change->kind, Kind::updated);
}

TEST(Store, WhatIsKnownAlreadyChangesNothing) {
  Store store;
  store.replace({object("a", 5)}, "7");
  for (int version : {4, 5}) {
    auto outcome = store.apply(event(EventType::modified, "a", version));
    EXPECT_FALSE(outcome.change || outcome.torn) << version;
  }
  EXPECT_FALSE(store.apply(event(EventType::deleted, "a", 4)).change) << "of an older object";
  EXPECT_EQ(store.version(), "7");
}

TEST(Store, AnEventFromThePastOfSomethingNotKnownTearsTheStream) {
  Store store;
  store.replace({object("a", 5)}, "7");
  EXPECT_TRUE(store.apply(event(EventType::added, "b", 6)).torn);
  EXPECT_TRUE(store.apply(event(EventType::modified, "a", 6)).torn)
      << "newer than what is known, older than the list that it should have been in";
  EXPECT_EQ(store.size(), 1U);
}

TEST(Store, BookmarksMoveTheVersionForwardOnly) {
  Store store;
  store.replace({}, "7");
  store.apply(event(EventType::bookmark, "", 9));
  EXPECT_EQ(store.version(), "9");
  store.apply(event(EventType::bookmark, "", 8));
  EXPECT_EQ(store.version(), "9");
}

TEST(Store, VersionsThatAreNoNumbersAreTakenAsTheyCome) {
  Store store;
  store.replace({}, "x");
  Json odd = object("a", 0);
  odd["metadata"]["resourceVersion"] = "b";
  EXPECT_TRUE(store.apply({EventType::added, odd}).change);
  odd["metadata"]["resourceVersion"] = "a";
  EXPECT_TRUE(store.apply({EventType::modified, odd}).change);
  EXPECT_EQ(store.version(), "a");
}

TEST(Store, AListTellsTheDifferenceAndThatTheEndWasNotSeen) {
  Store store;
  store.replace({object("a", 1), object("b", 2), object("c", 3)}, "3");
  auto changes = store.replace({object("a", 1), object("b", 5), object("d", 6)}, "6");
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(changes[0].kind, Kind::removed);
  EXPECT_TRUE(changes[0].final_state_unknown);
  EXPECT_EQ(kube::key_of(*changes[0].before).name, "c");
  EXPECT_EQ(changes[1].kind, Kind::updated);
  EXPECT_EQ(changes[2].kind, Kind::added);
  EXPECT_EQ(names(store.all()), (Names{"a", "b", "d"}));
}

TEST(Store, AnotherObjectOfTheNameIsARemovalAndAnAddition) {
  Store store;
  store.replace({object("a", 1)}, "1");
  Json other = object("a", 9);
  other["metadata"]["uid"] = "another";
  auto changes = store.replace({other}, "9");
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].kind, Kind::removed);
  EXPECT_EQ(changes[1].kind, Kind::added);
}

TEST(Store, IndexesFollowEveryChange) {
  Store store(by_owner());
  store.replace({object("a", 1, "x"), object("b", 2, "y")}, "2");
  EXPECT_EQ(names(store.find_by("owner", "x")), Names{"a"});
  store.apply(event(EventType::modified, "a", 3, "y"));
  EXPECT_EQ(names(store.find_by("owner", "x")), Names{});
  EXPECT_EQ(names(store.find_by("owner", "y")), (Names{"a", "b"}));
  store.apply(event(EventType::deleted, "b", 4, "y"));
  EXPECT_EQ(names(store.find_by("owner", "y")), Names{"a"});
  store.replace({}, "5");
  EXPECT_EQ(names(store.find_by("owner", "y")), Names{});
  EXPECT_EQ(names(store.find_by("nobody's", "y")), Names{});
}

// A stream that repeats and swaps events ends in the truth or says that it is torn; then a list
// ends in the truth.
TEST(Store, KeepsNoMoreThanTheIdentityOfWhatOthersKeep) {
  Store store({}, Keep::identity);
  Json listed = object("a", 1, "mine");
  listed["metadata"]["labels"] = {{"colour", "red"}};
  const auto told = store.replace({listed}, "1");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(*told[0].after, listed);  // what changes is told in whole
  Json kept = listed;
  kept.erase("owner");
  EXPECT_EQ(*store.find({"s", "a"}), kept);
  auto updated = store.apply(event(EventType::modified, "a", 2, "yours"));
  ASSERT_TRUE(updated.change);
  EXPECT_EQ(*updated.change->before, kept);
  EXPECT_EQ(*updated.change->after, object("a", 2, "yours"));
  EXPECT_EQ(*store.find({"s", "a"}), object("a", 2));
  EXPECT_FALSE(store.apply(event(EventType::modified, "a", 2, "yours")).change);
  auto removed = store.apply(event(EventType::deleted, "a", 3, "yours"));
  EXPECT_EQ(removed.change->kind, Kind::removed);
  EXPECT_EQ(*removed.change->before, object("a", 2));
}

TEST(Store, NoDisorderOfEventsEndsInAnUntruth) {
  std::minstd_rand random(11);
  for (int run = 0; run < 2000; ++run) {
    std::map<std::string, Json> truth;
    std::vector<WatchEvent> stream;
    for (int version = 1; version <= 12; ++version) {
      const std::string name(1, static_cast<char>('a' + random() % 3));
      const bool exists = truth.contains(name);
      const bool removes = exists && random() % 3 == 0;
      const auto type = removes  ? EventType::deleted
                        : exists ? EventType::modified
                                 : EventType::added;
      if (removes) truth.erase(name);
      if (!removes) truth[name] = object(name, version, std::to_string(random() % 2));
      stream.push_back({type, removes ? object(name, version) : truth[name]});
    }
    for (int faults = 0; faults < 3; ++faults) {
      const std::size_t at = random() % (stream.size() - 1);
      if (random() % 2 == 0)
        std::swap(stream[at], stream[at + 1]);
      else
        stream.insert(stream.begin() + static_cast<std::ptrdiff_t>(at), stream[at]);
    }
    Store store(by_owner());
    store.replace({}, "0");
    bool torn = false;
    for (const WatchEvent& each : stream) torn = torn || store.apply(each).torn;
    if (torn) {
      std::vector<Json> list;
      for (const auto& [name, each] : truth) list.push_back(each);
      store.replace(list, "12");
    }
    ASSERT_EQ(store.size(), truth.size()) << run;
    for (const auto& [name, each] : truth) ASSERT_EQ(*store.find({"s", name}), each) << run;
    std::size_t indexed = store.find_by("owner", "0").size() + store.find_by("owner", "1").size();
    ASSERT_EQ(indexed, truth.size()) << run;
  }
}

}  // namespace
}  // namespace vibed::control
