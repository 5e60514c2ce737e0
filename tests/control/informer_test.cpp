// What an informer promises, on the fake API server and on the real one, and what the fake one can
// do to it.
#include "control/informer.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <random>

#include "kube/worlds.hpp"

namespace vibed::control {
namespace {

using kube::config_maps;
using testing::FakeApi;
using testing::Fault;
using testing::Kind;
using What = Fault::What;
using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

// What an informer told, to be waited for.
class Heard {
 public:
  void operator()(const Change& change) {
    const std::lock_guard lock(mutex_);
    changes_.push_back(change);
    changed_.notify_all();
  }

  // Waits until the newest state of `name` that was told has `value` ("": it is gone).
  bool is_now(const std::string& name, const std::string& value) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 60s, [&] {
      for (auto at = changes_.rbegin(); at != changes_.rend(); ++at) {
        const Json& object = at->after != nullptr ? *at->after : *at->before;
        if (kube::key_of(object).name != name) continue;
        return at->after == nullptr ? value.empty()
                                    : kube::text_at(object, {"data", "value"}) == value;
      }
      return false;
    });
  }

  std::vector<Change> of(const std::string& name) {
    const std::lock_guard lock(mutex_);
    std::vector<Change> some;
    for (const Change& change : changes_) {
      const Json& object = change.after != nullptr ? *change.after : *change.before;
      if (kube::key_of(object).name == name) some.push_back(change);
    }
    return some;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Change> changes_;
};

class InformerContract : public testing::KubeTest {
 protected:
  std::unique_ptr<Informer> start(InformerOptions options = {}) {
    options.resource = config_maps();
    options.space = space_;
    options.fields = "metadata.name!=kube-root-ca.crt";
    options.on_change = [this](const Change& change) { heard_(change); };
    auto informer = Informer::start(*client_, std::move(options));
    auto synced = informer->wait_synced({}, Steady::now() + 60s);
    EXPECT_TRUE(synced) << synced.error().message;
    return informer;
  }

  void create(const std::string& name, const std::string& value = "1") {
    auto made = client_->create(config_maps(), config_map(name, value));
    ASSERT_TRUE(made) << made.error().message;
  }
  void change(const std::string& name, const std::string& value) {
    auto changed = client_->patch(config_maps(), {space_, name}, kube::PatchType::merge,
                                  {{"data", {{"value", value}}}});
    ASSERT_TRUE(changed) << changed.error().message;
  }
  void remove(const std::string& name) {
    auto removed = client_->remove(config_maps(), {space_, name});
    ASSERT_TRUE(removed) << removed.error().message;
  }
  std::string value(const Informer& informer, const std::string& name) {
    auto object = informer.find({space_, name});
    return object == nullptr ? "" : kube::text_at(*object, {"data", "value"});
  }

  Heard heard_;
};

TEST_P(InformerContract, WhatWasThereIsKnownWhenItHasSynced) {
  for (const char* name : {"a", "b", "c"}) create(name);
  auto informer = start();
  EXPECT_TRUE(informer->has_synced());
  EXPECT_EQ(informer->size(), 3U);
  EXPECT_EQ(value(*informer, "b"), "1");
  EXPECT_EQ(heard_.of("c").size(), 1U);
  EXPECT_EQ(informer->deaf_since(), std::nullopt);
}

TEST_P(InformerContract, ChangesArriveAndTheStoreHasThemWhenTheyAreTold) {
  auto informer = start();
  create("a");
  EXPECT_TRUE(heard_.is_now("a", "1"));
  change("a", "2");
  EXPECT_TRUE(heard_.is_now("a", "2"));
  EXPECT_EQ(value(*informer, "a"), "2");
  remove("a");
  EXPECT_TRUE(heard_.is_now("a", ""));
  EXPECT_EQ(informer->find({space_, "a"}), nullptr);
  const auto told = heard_.of("a");
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[0].kind, Change::Kind::added);
  EXPECT_EQ(told[1].kind, Change::Kind::updated);
  EXPECT_EQ(kube::text_at(*told[1].before, {"data", "value"}), "1");
  EXPECT_EQ(told[2].kind, Change::Kind::removed);
  EXPECT_FALSE(told[2].final_state_unknown);
}

TEST_P(InformerContract, ObjectsAreFoundByIndexAndWithoutTheirManagers) {
  InformerOptions options;
  options.indexes["value"] = [](const Json& object) {
    return std::vector<std::string>{kube::text_at(object, {"data", "value"})};
  };
  create("a", "x");
  create("b", "y");
  create("c", "x");
  auto informer = start(std::move(options));
  EXPECT_EQ(informer->find_by("value", "x").size(), 2U);
  change("a", "y");
  EXPECT_TRUE(heard_.is_now("a", "y"));
  EXPECT_EQ(informer->find_by("value", "y").size(), 2U);
  for (const Object& object : informer->all()) {
    EXPECT_TRUE(kube::find(*object, {"metadata", "managedFields"}).is_null());
  }
}

TEST_P(InformerContract, ItEndsAtOnceWhateverTheServerDoes) {
  auto informer = start();
  const auto from = Steady::now();
  informer.reset();
  EXPECT_LT(Steady::now() - from, 5s);
}

INSTANTIATE_TEST_SUITE_P(On, InformerContract, ::testing::Values(Kind::fake, Kind::real),
                         testing::name_of);

class RealInformer : public InformerContract {};

TEST_P(RealInformer, TheApiServerIsKilledAndTheInformerCatchesUp) {
  create("kept");
  create("removed");
  auto informer = start();
  real_->kill();
  EXPECT_FALSE(client_->get(config_maps(), {space_, "kept"}, "", {.timeout = 300ms}));
  real_->start();
  remove("removed");
  create("new");
  EXPECT_TRUE(heard_.is_now("new", "1"));
  EXPECT_TRUE(heard_.is_now("removed", ""));
  EXPECT_EQ(value(*informer, "kept"), "1");
}

INSTANTIATE_TEST_SUITE_P(On, RealInformer, ::testing::Values(Kind::real), testing::name_of);

class InformerFaults : public InformerContract {};

TEST_P(InformerFaults, AWatchThatEndsGoesOnWhereItWas) {
  create("a");
  auto informer = start();
  const int lists = fake_->requests("limit=500");
  for (int i = 0; i < 3; ++i) {
    fake_->wait_for_watch("watch=true");
    fake_->end_watches();
    change("a", std::to_string(i));
    EXPECT_TRUE(heard_.is_now("a", std::to_string(i)));
  }
  EXPECT_EQ(fake_->requests("limit=500"), lists);
}

TEST_P(InformerFaults, AnEventThatIsCutComesAgain) {
  fake_->inject({.what = What::cut_event, .times = 2, .path = "watch=true"});
  auto informer = start();
  create("a");
  EXPECT_TRUE(heard_.is_now("a", "1"));
  EXPECT_EQ(heard_.of("a").size(), 1U);
}

TEST_P(InformerFaults, EventsThatComeTwiceAreToldOnce) {
  fake_->inject({.what = What::twice, .path = "watch=true"});
  auto informer = start();
  create("a");
  change("a", "2");
  remove("a");
  create("b");
  EXPECT_TRUE(heard_.is_now("b", "1"));
  EXPECT_EQ(heard_.of("a").size(), 3U);
}

TEST_P(InformerFaults, EventsInTheWrongOrderEndInTheTruth) {
  fake_->inject({.what = What::swapped, .path = "watch=true"});
  create("a");
  auto informer = start();
  fake_->wait_for_watch("watch=true");
  create("b");
  remove("a");
  EXPECT_TRUE(heard_.is_now("a", ""));
  EXPECT_TRUE(heard_.is_now("b", "1"));
  EXPECT_EQ(informer->size(), 1U);
}

TEST_P(InformerFaults, AfterTheHistoryIsGoneItListsAgainAndTellsTheDifference) {
  create("kept");
  create("changed");
  create("removed");
  auto informer = start();
  fake_->wait_for_watch("watch=true");
  // While nobody watches.
  fake_->inject({.what = What::refuse, .path = "watch=true"});
  fake_->end_watches();
  change("changed", "2");
  remove("removed");
  create("new");
  fake_->expire();
  EXPECT_TRUE(heard_.is_now("new", "1"));
  EXPECT_TRUE(heard_.is_now("changed", "2"));
  EXPECT_TRUE(heard_.is_now("removed", ""));
  EXPECT_EQ(heard_.of("kept").size(), 1U);
  EXPECT_EQ(informer->size(), 3U);
}

TEST_P(InformerFaults, AnErrorEventOf410ListsAgain) {
  fake_->inject({.what = What::expired_event, .times = 2, .path = "watch=true"});
  auto informer = start();
  create("a");
  EXPECT_TRUE(heard_.is_now("a", "1"));
  fake_->wait_for_requests("limit=500", 3);
}

TEST_P(InformerFaults, ABookmarkKeepsAQuietWatchFromExpiring) {
  auto informer = start();
  fake_->wait_for_watch("watch=true");
  create("a");
  ASSERT_TRUE(heard_.is_now("a", "1"));
  const int lists = fake_->requests("limit=500");
  // Others write; we only learn of the version.
  for (int i = 0; i < 5; ++i) {
    fake_->create(kube::secrets(),
                  {{"metadata", {{"name", "s" + std::to_string(i)}, {"namespace", space_}}}});
  }
  fake_->send_bookmarks();
  const std::string version = std::to_string(
      *kube::version_number(kube::version_of(fake_->get(kube::secrets(), {space_, "s4"}))));
  fake_->end_watches();
  fake_->wait_for_requests("resourceVersion=" + version, 1);
  EXPECT_EQ(fake_->requests("limit=500"), lists);
}

TEST_P(InformerFaults, AServerThatIsBusyIsAskedAgainWhenItSaid) {
  fake_->inject({.what = What::refuse,
                 .path = "watch=true",
                 .refusal = {429, "TooManyRequests", "later", {}},
                 .retry_after = 1});
  const auto from = Steady::now();
  auto informer = start();
  create("a");
  EXPECT_TRUE(heard_.is_now("a", "1"));
  EXPECT_GE(Steady::now() - from, 1s);
  EXPECT_EQ(fake_->requests("watch=true"), 2);
}

TEST_P(InformerFaults, NotBeingAllowedIsSaidAndTriedAgain) {
  fake_->inject({.what = What::refuse, .refusal = {403, "Forbidden", "you may not", {}}});
  InformerOptions options;
  options.resource = config_maps();
  auto informer = Informer::start(*client_, std::move(options));
  fake_->wait_for_requests("GET", 1);
  auto synced = informer->wait_synced({}, Steady::now() + 1s);
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code, Errc::deadline_exceeded);
  EXPECT_NE(synced.error().message.find("you may not"), std::string::npos);
  EXPECT_TRUE(informer->deaf_since().has_value());
  EXPECT_TRUE(informer->wait_synced({}, Steady::now() + 30s));
}

TEST_P(InformerFaults, AStopEndsTheWaitForSync) {
  fake_->inject({.what = What::refuse, .times = 100, .refusal = {403, "", "", {}}});
  InformerOptions options;
  options.resource = config_maps();
  auto informer = Informer::start(*client_, std::move(options));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(informer->wait_synced(stop.get_token(), Steady::now() + 1h).error().code,
            Errc::cancelled);
}

// Everything at once: whatever happens on the way, the end is the truth.
TEST_P(InformerFaults, UnderRandomFaultsItEndsInTheTruth) {
  auto informer = start();
  std::minstd_rand random(5);
  for (int i = 0; i < 200; ++i) {
    const std::string name(1, static_cast<char>('a' + random() % 6));
    const ObjectKey key{space_, name};
    const Json known = fake_->get(config_maps(), key);
    if (known.is_null()) {
      fake_->create(config_maps(), config_map(name, std::to_string(i)));
    } else if (random() % 3 == 0) {
      fake_->remove(config_maps(), key);
    } else {
      Json next = known;
      next["data"]["value"] = std::to_string(i);
      fake_->replace(config_maps(), next);
    }
    const What faults[] = {What::cut_event,     What::twice, What::swapped,
                           What::expired_event, What::drop,  What::refuse};
    if (random() % 8 == 0) fake_->inject({.what = faults[random() % 6], .path = "watch=true"});
    if (random() % 8 == 0) fake_->end_watches();
    if (random() % 16 == 0) fake_->expire();
  }
  fake_->end_watches();
  fake_->create(config_maps(), config_map("last", "end"));
  // A fault that is left may swap the last event with one that never comes.
  fake_->create(config_maps(), config_map("very-last", "end"));
  EXPECT_TRUE(heard_.is_now("last", "end"));
  EXPECT_TRUE(heard_.is_now("very-last", "end"));
  for (char c = 'a'; c < 'g'; ++c) {
    const std::string name(1, c);
    const Json truth = fake_->get(config_maps(), {space_, name});
    EXPECT_EQ(value(*informer, name), kube::text_at(truth, {"data", "value"})) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(On, InformerFaults, ::testing::Values(Kind::fake), testing::name_of);

}  // namespace
}  // namespace vibed::control
