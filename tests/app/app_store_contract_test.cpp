// What every AppStore promises. A new backend is one more line at the bottom.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <functional>
#include <ostream>
#include <set>
#include <thread>

#include "app/kubernetes_world.hpp"
#include "support/temp_dir.hpp"
#include "vibed/app_store.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

struct Backend {
  std::string name;
  std::function<std::shared_ptr<AppStore>(const testing::TempDir& scratch)> make;
  // Waits until watches can tell what was written, where they learn of it in their own time.
  std::function<void(AppStore&)> settle = [](AppStore&) {};
  bool is_slow = false;  // thousands of writes take minutes
  friend std::ostream& operator<<(std::ostream& out, const Backend& b) { return out << b.name; }
};

App make_app(const std::string& name, const std::string& owner = "admin") {
  App app;
  app.name = name;
  app.labels = {{"vibed.dev/owner", owner}};
  app.versions = {{1, Time{1h}, "node-24", "general", "hash", name + ".v1.key", 0}};
  app.spec.owner = owner;
  app.spec.source = name + ".v1.key";
  app.spec.lane = "general";
  app.spec.template_name = "node-24";
  return app;
}

AppStatus make_status(Phase phase, std::int64_t generation) {
  AppStatus status;
  status.phase = phase;
  status.observed_generation = generation;
  return status;
}

class AppStoreContract : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (store_ == nullptr) GTEST_SKIP() << "make test-cluster builds it";
  }

  std::unique_ptr<AppWatch> watch(std::int64_t from) {
    GetParam().settle(*store_);
    return store_->watch(from);
  }
  // The event that is there already, or a failure: never waits for one.
  Result<AppEvent> now(AppWatch& watch) {
    GetParam().settle(*store_);
    return watch.next({}, Steady::now());
  }
  static Result<AppEvent> soon(AppWatch& watch) { return watch.next({}, Steady::now() + 20s); }

  testing::TempDir scratch_;
  std::shared_ptr<AppStore> store_ = GetParam().make(scratch_);
};

TEST_P(AppStoreContract, ANewAppHasGenerationOneAndAUidOfItsOwn) {
  auto made = store_->create(make_app("a"));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->generation, 1);
  EXPECT_EQ(made->space, "vibed-apps");
  EXPECT_FALSE(made->uid.empty());
  EXPECT_GT(made->resource_version, 0);
  EXPECT_LT(std::chrono::system_clock::now() - made->created_at, 1min);
  EXPECT_EQ(made->spec, make_app("a").spec);
  EXPECT_EQ(made->versions, make_app("a").versions);
  EXPECT_EQ(made->labels, make_app("a").labels);
  EXPECT_EQ(*store_->get("a"), *made);
  EXPECT_NE(store_->create(make_app("b"))->uid, made->uid);
}

TEST_P(AppStoreContract, ATakenNameIsRefused) {
  auto first = store_->create(make_app("a"));
  EXPECT_EQ(store_->create(make_app("a")).error().code, Errc::already_exists);
  ASSERT_TRUE(store_->remove("a"));
  EXPECT_EQ(store_->create(make_app("a")).error().code, Errc::already_exists);
  ASSERT_TRUE(store_->finish_remove("a", first->uid));
  auto second = store_->create(make_app("a"));
  ASSERT_TRUE(second);
  EXPECT_NE(second->uid, first->uid);
  EXPECT_EQ(second->generation, 1);
  EXPECT_GT(second->resource_version, first->resource_version);
}

TEST_P(AppStoreContract, AnInvalidNameIsNeverARecord) {
  EXPECT_EQ(store_->create(make_app("../x")).error().reason, "bad_name");
  EXPECT_EQ(store_->list("", 0, 0)->total, 0);
}

TEST_P(AppStoreContract, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(store_->get("a").error().code, Errc::not_found);
  EXPECT_EQ(store_->find_by_label("x").error().code, Errc::not_found);
  EXPECT_EQ(store_->write_spec(make_app("a")).error().code, Errc::not_found);
  EXPECT_EQ(store_->write_status("a", "u", {}).error().code, Errc::not_found);
  EXPECT_EQ(store_->remove("a").error().code, Errc::not_found);
  EXPECT_TRUE(store_->finish_remove("a", "u"));
}

TEST_P(AppStoreContract, AnAppIsFoundByItsLabel) {
  ASSERT_TRUE(store_->create(make_app("a")));
  ASSERT_TRUE(store_->create(make_app("b")));
  EXPECT_EQ(store_->find_by_label(app_label("vibed-apps", "b"))->name, "b");
}

TEST_P(AppStoreContract, AChangedSpecIsANewGenerationAndOtherWritesAreNot) {
  App app = *store_->create(make_app("a"));
  app.labels["team"] = "x";
  App labelled = *store_->write_spec(app);
  EXPECT_EQ(labelled.generation, 1);
  EXPECT_GT(labelled.resource_version, app.resource_version);
  labelled.spec.suspended = true;
  App suspended = *store_->write_spec(labelled);
  EXPECT_EQ(suspended.generation, 2);
  App again = *store_->write_spec(suspended);
  EXPECT_EQ(again, suspended) << "nothing changed, so nothing was written";
  App running = *store_->write_status("a", app.uid, make_status(Phase::ready, 2));
  EXPECT_EQ(running.generation, 2);
  EXPECT_EQ(*store_->get("a"), running);
}

TEST_P(AppStoreContract, AWriterWhoReadTooEarlyGetsAConflict) {
  App read = *store_->create(make_app("a"));
  ASSERT_TRUE(store_->write_status("a", read.uid, make_status(Phase::claiming, 0)));
  read.spec.suspended = true;
  EXPECT_EQ(store_->write_spec(read).error().code, Errc::conflict);
  App fresh = *store_->get("a");
  fresh.spec.suspended = true;
  EXPECT_TRUE(store_->write_spec(fresh));
  fresh = *store_->get("a");
  fresh.uid = "of-another";
  EXPECT_EQ(store_->write_spec(fresh).error().code, Errc::conflict);
}

TEST_P(AppStoreContract, SpecAndStatusDoNotTouchEachOther) {
  App app = *store_->create(make_app("a"));
  AppStatus status = make_status(Phase::ready, 1);
  App with_status = *store_->write_status("a", app.uid, status);
  EXPECT_EQ(with_status.spec, app.spec);
  with_status.status = {};
  with_status.spec.entrypoint = "node b.js";
  App with_spec = *store_->write_spec(with_status);
  EXPECT_EQ(with_spec.status, status);
}

TEST_P(AppStoreContract, AnEqualStatusChangesNothing) {
  App app = *store_->create(make_app("a"));
  AppStatus status = make_status(Phase::failed, 0);
  // Half seconds and bytes that are no UTF-8 are not kept, and must not look like a change.
  status.last_deployed_at = Time{1500ms};
  status.conditions = {{"Ready", false, "AppExited", "\xff\xfe!", Time{2700ms}, 1}};
  App first = *store_->write_status("a", app.uid, status);
  auto changes = watch(first.resource_version);
  App second = *store_->write_status("a", app.uid, status);
  EXPECT_EQ(first, second);
  EXPECT_EQ(now(*changes).error().code, Errc::deadline_exceeded);
}

TEST_P(AppStoreContract, AStatusOfAnEarlierAppOfThatNameIsNotFound) {
  App old = *store_->create(make_app("a"));
  ASSERT_TRUE(store_->remove("a"));
  ASSERT_TRUE(store_->finish_remove("a", old.uid));
  ASSERT_TRUE(store_->create(make_app("a")));
  EXPECT_EQ(store_->write_status("a", old.uid, make_status(Phase::ready, 1)).error().code,
            Errc::not_found);
  ASSERT_TRUE(store_->finish_remove("a", old.uid));
  EXPECT_EQ(store_->get("a")->status, AppStatus{});
}

TEST_P(AppStoreContract, RemovalIsMarkedFirstAndDoneLater) {
  App app = *store_->create(make_app("a"));
  EXPECT_EQ(store_->finish_remove("a", app.uid).error().code, Errc::conflict);
  ASSERT_TRUE(store_->remove("a"));
  App marked = *store_->get("a");
  ASSERT_TRUE(marked.removed_at);
  EXPECT_GT(marked.resource_version, app.resource_version);
  ASSERT_TRUE(store_->remove("a"));
  EXPECT_EQ(*store_->get("a"), marked) << "marking twice changes nothing";
  EXPECT_TRUE(store_->write_status("a", app.uid, make_status(Phase::suspended, 0)));
  EXPECT_TRUE(store_->get("a")->removed_at) << "a status write keeps the mark";
  ASSERT_TRUE(store_->finish_remove("a", app.uid));
  EXPECT_EQ(store_->get("a").error().code, Errc::not_found);
  EXPECT_EQ(store_->find_by_label(app_label("vibed-apps", "a")).error().code, Errc::not_found);
  EXPECT_TRUE(store_->finish_remove("a", app.uid));
}

TEST_P(AppStoreContract, PagesAreSortedByNameWithAConstantTotal) {
  for (const char* name : {"d", "b", "a2", "a-1", "c", "a10"}) {
    ASSERT_TRUE(store_->create(make_app(name, name[0] == 'a' ? "anna" : "bob")));
  }
  auto names = [](const AppPage& page) {
    std::string text;
    for (const App& app : page.items) text += app.name + " ";
    return text;
  };
  EXPECT_EQ(names(*store_->list("", 0, 0)), "a-1 a10 a2 b c d ");
  EXPECT_EQ(names(*store_->list("", 2, 1)), "a10 a2 ");
  EXPECT_EQ(store_->list("", 2, 1)->total, 6);
  EXPECT_EQ(names(*store_->list("", -1, -5)), "a-1 a10 a2 b c d ");
  EXPECT_EQ(names(*store_->list("", 5, 100)), "");
  EXPECT_EQ(store_->list("", 5, 100)->total, 6);
  EXPECT_EQ(names(*store_->list("anna", 0, 0)), "a-1 a10 a2 ");
  EXPECT_EQ(names(*store_->list("anna", 1, 2)), "a2 ");
  EXPECT_EQ(store_->list("anna", 1, 2)->total, 3);
  EXPECT_EQ(store_->list("nobody", 0, 0)->total, 0);
}

TEST_P(AppStoreContract, AnOwnerWhoChangesTakesTheAppAlong) {
  App app = *store_->create(make_app("a", "anna"));
  app.spec.owner = "bob";
  ASSERT_TRUE(store_->write_spec(app));
  EXPECT_EQ(store_->list("anna", 0, 0)->total, 0);
  EXPECT_EQ(store_->list("bob", 0, 0)->total, 1);
}

TEST_P(AppStoreContract, AWatchFromNothingTellsEveryAppOnce) {
  App a = *store_->create(make_app("a"));
  App b = *store_->create(make_app("b"));
  App gone = *store_->create(make_app("c"));
  ASSERT_TRUE(store_->remove("c"));
  ASSERT_TRUE(store_->finish_remove("c", gone.uid));
  a = *store_->write_status("a", a.uid, make_status(Phase::ready, 1));
  auto changes = watch(0);
  EXPECT_EQ(now(*changes)->app, b);
  EXPECT_EQ(now(*changes)->app, a);
  EXPECT_EQ(now(*changes).error().code, Errc::deadline_exceeded);
}

TEST_P(AppStoreContract, AWatchResumesWhereAnotherEnded) {
  App a = *store_->create(make_app("a"));
  App b = *store_->create(make_app("b"));
  ASSERT_TRUE(store_->remove("a"));
  ASSERT_TRUE(store_->finish_remove("a", a.uid));
  auto changes = watch(b.resource_version);
  auto event = now(*changes);
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->gone);
  EXPECT_EQ(event->app.name, "a");
  EXPECT_EQ(event->app.uid, a.uid);
  auto later = watch(event->app.resource_version);
  EXPECT_EQ(now(*later).error().code, Errc::deadline_exceeded);
}

TEST_P(AppStoreContract, ASlowWatchSkipsStatesButNotTheNewest) {
  App app = *store_->create(make_app("a"));
  auto changes = watch(app.resource_version);
  for (int generation = 1; generation <= 5; ++generation) {
    app = *store_->write_status("a", app.uid, make_status(Phase::ready, generation));
  }
  EXPECT_EQ(now(*changes)->app, app);
  EXPECT_EQ(now(*changes).error().code, Errc::deadline_exceeded);
}

TEST_P(AppStoreContract, AReplacedAppIsSeenUnderItsNewUid) {
  App old = *store_->create(make_app("a"));
  auto changes = watch(0);
  EXPECT_EQ(now(*changes)->app.uid, old.uid);
  ASSERT_TRUE(store_->remove("a"));
  ASSERT_TRUE(store_->finish_remove("a", old.uid));
  App fresh = *store_->create(make_app("a"));
  auto gone = now(*changes);
  EXPECT_TRUE(gone->gone);
  EXPECT_EQ(gone->app.uid, old.uid);
  EXPECT_EQ(now(*changes)->app, fresh);
}

TEST_P(AppStoreContract, AWaitingWatchWakesForAChangeAndForAStop) {
  auto changes = watch(0);
  std::thread writer([&] { EXPECT_TRUE(store_->create(make_app("a"))); });
  EXPECT_EQ(soon(*changes)->app.name, "a");
  writer.join();
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(changes->next(stop.get_token(), Steady::now() + 20s).error().code, Errc::cancelled);
  stopper.join();
  ASSERT_TRUE(store_->create(make_app("b")));
  EXPECT_EQ(soon(*changes)->app.name, "b") << "a stopped watch is still usable";
}

TEST_P(AppStoreContract, OldTombstonesArePrunedButNoOpenWatchMissesOne) {
  if (GetParam().is_slow) GTEST_SKIP() << "the fake API server shows the same";
  auto open = watch(0);
  ASSERT_TRUE(store_->create(make_app("keeper")));
  std::int64_t early = soon(*open)->app.resource_version;
  std::set<std::string> removed;
  for (int i = 0; i < 1100; ++i) {
    App app = *store_->create(make_app("x" + std::to_string(i)));
    ASSERT_TRUE(store_->remove(app.name));
    ASSERT_TRUE(store_->finish_remove(app.name, app.uid));
    removed.insert(app.uid);
  }
  for (int i = 0; i < 1100; ++i) {
    auto event = now(*open);
    ASSERT_TRUE(event) << event.error().message;
    EXPECT_TRUE(event->gone);
    EXPECT_EQ(removed.erase(event->app.uid), 1u);
  }
  App last = *store_->create(make_app("last"));
  ASSERT_TRUE(store_->remove("last"));
  ASSERT_TRUE(store_->finish_remove("last", last.uid));
  auto late = watch(early);
  EXPECT_EQ(now(*late).error().reason, "watch_expired") << "the open watch no longer needs them";
  auto fresh = watch(0);
  EXPECT_EQ(now(*fresh)->app.name, "keeper");
}

TEST_P(AppStoreContract, ConcurrentWritersLoseNothing) {
  constexpr int kThreads = 4;
  constexpr int kWrites = 15;
  ASSERT_TRUE(store_->create(make_app("shared")));
  std::string uid = store_->get("shared")->uid;
  std::atomic<int> conflicts = 0;
  std::atomic<bool> done = false;
  std::barrier all_have_read(kThreads);  // the first time: all but one must be refused
  std::thread status_writer([&] {
    for (int i = 1; !done; ++i) {
      EXPECT_TRUE(store_->write_status("shared", uid, make_status(Phase::starting, i)));
    }
  });
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      bool first = true;
      for (int i = 0; i < kWrites;) {
        App app = *store_->get("shared");
        if (std::exchange(first, false)) all_have_read.arrive_and_wait();
        app.spec.env.push_back({"E" + std::to_string(t) + "_" + std::to_string(i), "1"});
        auto written = store_->write_spec(app);
        if (written) {
          ++i;
        } else {
          EXPECT_EQ(written.error().code, Errc::conflict);
          ++conflicts;
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  status_writer.join();
  App app = *store_->get("shared");
  EXPECT_EQ(std::ssize(app.spec.env), kThreads * kWrites);
  EXPECT_EQ(app.generation, 1 + kThreads * kWrites);
  EXPECT_GE(conflicts, kThreads - 1);
}

TEST_P(AppStoreContract, ManyMayRaceForOneNameAndOneWins) {
  std::atomic<int> won = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      auto made = store_->create(make_app("a"));
      won += made.ok() ? 1 : 0;
      EXPECT_TRUE(made || made.error().code == Errc::already_exists);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
}

TEST_P(AppStoreContract, AWatchBesideManyWritersEndsWithWhatIsStored) {
  constexpr int kApps = 6;
  auto changes = watch(0);
  std::vector<std::thread> writers;
  for (int t = 0; t < kApps; ++t) {
    writers.emplace_back([&, t] {
      App app = *store_->create(make_app("a" + std::to_string(t)));
      for (int i = 1; i <= 30; ++i) {
        EXPECT_TRUE(store_->write_status(app.name, app.uid, make_status(Phase::ready, i)));
      }
      if (t % 2 == 0) return;
      EXPECT_TRUE(store_->remove(app.name));
      EXPECT_TRUE(store_->finish_remove(app.name, app.uid));
    });
  }
  std::map<std::string, App> seen;
  std::int64_t last = 0;
  auto all_done = [&] {
    if (seen.size() != kApps) return false;
    for (const auto& [name, app] : seen) {
      bool removed = (name.back() - '0') % 2 == 1;
      if (removed ? !app.spec.owner.empty() : app.status.observed_generation != 30) return false;
    }
    return true;
  };
  while (!all_done()) {
    auto event = soon(*changes);
    ASSERT_TRUE(event) << event.error().message;
    EXPECT_GT(event->app.resource_version, last) << "in the order of resource versions";
    last = event->app.resource_version;
    seen[event->app.name] = event->app;
  }
  for (std::thread& writer : writers) writer.join();
  for (const auto& [name, app] : seen) {
    bool kept = (name.back() - '0') % 2 == 0;
    EXPECT_EQ(store_->get(name).ok(), kept);
    EXPECT_TRUE(!kept || *store_->get(name) == app);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Backends, AppStoreContract,
    ::testing::Values(Backend{"memory", [](auto&) { return make_memory_app_store("vibed-apps"); }},
                      Backend{"sqlite",
                              [](auto& scratch) {
                                auto opened =
                                    open_sqlite_app_store(scratch / "vibed.db", "vibed-apps");
                                EXPECT_TRUE(opened) << opened.error().message;
                                return std::move(*opened);
                              }},
                      Backend{"kubernetesFake", [](auto&) { return testing::fake_cluster_store(); },
                              testing::settle},
                      Backend{"kubernetesReal", [](auto&) { return testing::real_cluster_store(); },
                              testing::settle, true}),
    [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace vibed
