// The decisions of informer, election and event log, without a server, a thread or a clock.
#include <gtest/gtest.h>

#include <random>

#include "base/time.hpp"
#include "control/event_log.hpp"
#include "control/lease.hpp"
#include "control/reflect.hpp"

namespace vibed::control {
namespace {

using namespace std::chrono_literals;
using Do = Next::Do;

TEST(Reflect, EveryEndInEveryStateLeadsOn) {
  struct Row {
    Ended ended;
    bool listed;  // before
    Do next;      //
    Milliseconds wait;
    bool still_listed;
  };
  const Row rows[] = {
      {Ended::listed, false, Do::watch, 0ms, true},
      {Ended::listed, true, Do::watch, 0ms, true},
      {Ended::timed_out, true, Do::watch, 0ms, true},
      {Ended::short_lived, true, Do::watch, 100ms, true},
      {Ended::expired, true, Do::list, 0ms, false},
      {Ended::expired, false, Do::list, 0ms, false},
      {Ended::torn, true, Do::list, 0ms, false},
      {Ended::busy, true, Do::watch, 100ms, true},
      {Ended::busy, false, Do::list, 100ms, false},
      {Ended::failed, true, Do::watch, 100ms, true},
      {Ended::failed, false, Do::list, 100ms, false},
      {Ended::refused, true, Do::watch, 5s, true},
      {Ended::refused, false, Do::list, 5s, false},
  };
  for (const Row& row : rows) {
    ReflectState state{.listed = row.listed};
    const Next next = next_step(state, {.ended = row.ended}, 0);
    const std::string name = std::to_string(static_cast<int>(row.ended)) + " " +
                             std::to_string(static_cast<int>(row.listed));
    EXPECT_EQ(next, (Next{row.next, row.wait})) << name;
    EXPECT_EQ(state.listed, row.still_listed) << name;
  }
}

TEST(Reflect, RetryAfterIsWaitedForWhateverTheFailure) {
  for (Ended ended : {Ended::busy, Ended::failed, Ended::refused, Ended::expired, Ended::torn,
                      Ended::short_lived}) {
    ReflectState state{.listed = true};
    EXPECT_EQ(next_step(state, {.ended = ended, .retry_after = 17s}, 0).wait, 17s);
  }
}

TEST(Reflect, FailuresInARowWaitLongerUpToHalfAMinute) {
  ReflectState state{.listed = true};
  std::vector<Milliseconds> waits;
  for (int i = 0; i < 12; ++i) waits.push_back(next_step(state, {.ended = Ended::failed}, 0).wait);
  EXPECT_EQ(waits, (std::vector<Milliseconds>{100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms,
                                              12800ms, 25600ms, 30s, 30s, 30s}));
}

TEST(Reflect, ASignOfLifeStartsTheBackoffAnew) {
  ReflectState state{.listed = true, .failures = 5};
  EXPECT_EQ(next_step(state, {.ended = Ended::failed, .progress = true}, 0).wait, 100ms);
  state.failures = 5;
  (void)next_step(state, {.ended = Ended::timed_out}, 0);
  EXPECT_EQ(state.failures, 0);
}

TEST(Reflect, AServerThatListsButNeverWatchesIsNotAskedInACircle) {
  ReflectState state;
  Milliseconds waited{0};
  for (int i = 0; i < 5; ++i) {
    waited += next_step(state, {.ended = Ended::listed}, 0).wait;
    waited += next_step(state, {.ended = Ended::expired}, 0).wait;
  }
  EXPECT_EQ(waited, 0ms + 200ms + 400ms + 800ms + 1600ms);
}

TEST(Reflect, AWatchThatNeverStandsIsGivenUpForAList) {
  ReflectState state{.listed = true};
  std::vector<Do> steps;
  for (int i = 0; i < 11; ++i) steps.push_back(next_step(state, {.ended = Ended::failed}, 0).what);
  EXPECT_EQ(std::count(steps.begin(), steps.end(), Do::watch), 9);
  EXPECT_EQ(steps[9], Do::list);
}

TEST(Reflect, WatchesLastFiveToTenMinutes) {
  EXPECT_EQ(watch_timeout(0), 300s);
  EXPECT_EQ(watch_timeout(0.5), 450s);
  EXPECT_EQ(watch_timeout(1), 600s);
}

const LeaseView::Time t0 = LeaseView::Time(1h);
const EventLog::Time w0 = *parse_rfc3339("2026-11-22T12:00:00.123456789Z");

LeaseRecord held_by(const std::string& holder, const std::string& renewed = "r0") {
  return {holder, 15s, "a0", renewed, 3};
}

TEST(Lease, MayBeTakenWhenItIsFreeOursOrSilentForTooLong) {
  struct Row {
    std::string holder;
    std::chrono::milliseconds silent;
    bool may;
  };
  const Row rows[] = {{"", 0ms, true},
                      {"me", 0ms, true},
                      {"you", 0ms, false},
                      {"you", 14'999ms, false},
                      {"you", 15s, true}};
  for (const Row& row : rows) {
    LeaseView view("me", {});
    view.observe(held_by(row.holder), t0);
    EXPECT_EQ(view.may_take(t0 + row.silent), row.may) << row.holder << row.silent.count();
    EXPECT_FALSE(view.leads(t0));
  }
  EXPECT_TRUE(LeaseView("me", {}).may_take(t0)) << "there is none yet";
}

TEST(Lease, SilenceIsCountedFromTheLastChangeAsWeSawIt) {
  LeaseView view("me", {});
  view.observe(held_by("you", "r0"), t0);
  view.observe(held_by("you", "r0"), t0 + 10s);
  EXPECT_TRUE(view.may_take(t0 + 15s)) << "the same record is no sign of life";
  view.observe(held_by("you", "r1"), t0 + 14s);
  EXPECT_FALSE(view.may_take(t0 + 28s));
  EXPECT_TRUE(view.may_take(t0 + 29s));
}

TEST(Lease, TheHoldersLongerDurationIsRespected) {
  LeaseView view("me", {});
  LeaseRecord record = held_by("you");
  record.duration = 60s;
  view.observe(record, t0);
  EXPECT_FALSE(view.may_take(t0 + 59s));
  record.duration = 1s;  // a shorter one is not: theirs may be renewed by our times
  record.renewed = "r1";
  view.observe(record, t0);
  EXPECT_FALSE(view.may_take(t0 + 14s));
}

TEST(Lease, WeLeadForTheRenewDeadlineFromBeforeTheWrite) {
  LeaseView view("me", {});
  view.renewed(held_by("me"), t0);
  EXPECT_TRUE(view.leads(t0 + 9'999ms));
  EXPECT_FALSE(view.leads(t0 + 10s));
  EXPECT_EQ(view.leads_until(), t0 + 10s);
  // Nobody else may begin before we have ended.
  LeaseView other("you", {});
  other.observe(held_by("me"), t0);
  EXPECT_FALSE(other.may_take(view.leads_until()));
}

TEST(Lease, SeeingAnotherHolderEndsOurLeadAtOnce) {
  LeaseView view("me", {});
  view.renewed(held_by("me"), t0);
  view.observe(held_by("you"), t0 + 1s);
  EXPECT_FALSE(view.leads(t0 + 1s));
}

TEST(Lease, ReadingOurOwnRecordChangesNothing) {
  LeaseView view("me", {});
  view.renewed(held_by("me"), t0);
  view.observe(held_by("me"), t0 + 5s);
  EXPECT_EQ(view.leads_until(), t0 + 10s);
}

TEST(Lease, RecordsCountTransitionsAndKeepTheTimeOfAcquisition) {
  LeaseView fresh("me", {});
  EXPECT_EQ(fresh.next_record(w0), (LeaseRecord{"me", 15s, "2026-11-22T12:00:00.123456Z",
                                                "2026-11-22T12:00:00.123456Z", 0}));
  LeaseView taking("me", {});
  taking.observe(held_by("you"), t0);
  EXPECT_EQ(taking.next_record(w0).transitions, 4);
  LeaseView renewing("me", {});
  renewing.renewed(held_by("me"), t0);
  EXPECT_EQ(renewing.next_record(w0),
            (LeaseRecord{"me", 15s, "a0", "2026-11-22T12:00:00.123456Z", 3}));
  EXPECT_EQ(renewing.released_record(w0).holder, "");
  EXPECT_EQ(renewing.released_record(w0).duration, 1s);
}

TEST(Lease, FollowersWaitWithJitterAndTheLeaderWithout) {
  LeaseView view("me", {});
  EXPECT_EQ(view.wait(0), 2s);
  EXPECT_EQ(view.wait(1), 4400ms);
  view.renewed(held_by("me"), t0);
  EXPECT_EQ(view.wait(1), 2s);
}

TEST(Lease, IsReadAsItIsWrittenAndNonsenseIsNothing) {
  const LeaseRecord record = held_by("me");
  const kube::Json lease = lease_with(nullptr, {"s", "n"}, record);
  EXPECT_EQ(lease_record(lease), record);
  EXPECT_EQ(kube::key_of(lease), (kube::ObjectKey{"s", "n"}));
  EXPECT_EQ(lease_record({{"spec", {{"leaseDurationSeconds", "x"}, {"holderIdentity", 3}}}}),
            LeaseRecord{});
  EXPECT_EQ(lease_record({{"spec", {{"leaseDurationSeconds", -5}}}}).duration, 0s);
}

// Two processes that are scheduled by an adversary, writes that need the newest version, answers
// that get lost: never do both lead.
TEST(Lease, NoScheduleOfTwoCandidatesMakesBothLead) {
  std::minstd_rand random(7);
  int takeovers = 0;
  for (int run = 0; run < 2000; ++run) {
    LeaseView views[] = {{"a", {}}, {"b", {}}};
    int seen[] = {0, 0};  // the version of the lease that each knows
    LeaseRecord stored;
    int version = 0;
    LeaseView::Time now = t0;
    for (int step = 0; step < 60; ++step) {
      now += std::chrono::milliseconds(random() % 6000);
      const std::size_t who = random() % 2;
      LeaseView& view = views[who];
      if (version > 0 && random() % 4 != 0) {
        view.observe(stored, now);
        seen[who] = version;
      }
      if (!view.may_take(now)) continue;
      const LeaseRecord next = view.next_record(w0 + (now - t0));
      const auto began = now;
      now += std::chrono::milliseconds(random() % 3000);  // the call takes its time
      if (seen[who] == version) {
        if (stored.holder != next.holder) ++takeovers;
        stored = next;
        ++version;
        if (random() % 4 != 0) {
          view.renewed(next, began);
          seen[who] = version;
        }
      }
      ASSERT_FALSE(views[0].leads(now) && views[1].leads(now)) << run;
    }
  }
  EXPECT_GT(takeovers, 2500);  // else nothing was tried
}

Json app(const std::string& name = "web", const std::string& space = "s") {
  return {{"apiVersion", "vibed.dev/v1alpha1"},
          {"kind", "VibedApp"},
          {"metadata",
           {{"name", name}, {"namespace", space}, {"uid", "u-" + name}, {"resourceVersion", "5"}}}};
}

TEST(EventLog, TheFirstOfItsKindIsCreated) {
  EventLog log("vibed.dev/controller", "pod-1");
  auto write = log.record(app(), {true, "Failed", "Start", "it exited"}, w0);
  ASSERT_TRUE(write && write->create);
  EXPECT_EQ(write->key.space, "s");
  EXPECT_TRUE(write->key.name.starts_with("web."));
  EXPECT_EQ(kube::text_at(write->object, {"type"}), "Warning");
  EXPECT_EQ(kube::text_at(write->object, {"eventTime"}), "2026-11-22T12:00:00.123456Z");
  EXPECT_EQ(kube::text_at(write->object, {"regarding", "uid"}), "u-web");
  EXPECT_EQ(kube::text_at(write->object, {"reportingController"}), "vibed.dev/controller");
}

TEST(EventLog, RepetitionsAreCountedAndWrittenEverMoreRarely) {
  EventLog log("c", "i");
  std::vector<std::int64_t> written;
  for (int i = 1; i <= 20; ++i) {
    auto write = log.record(app(), {false, "R", "A", "n"}, w0 + std::chrono::milliseconds(i));
    if (write && !write->create) written.push_back(write->object["series"]["count"]);
  }
  EXPECT_EQ(written, (std::vector<std::int64_t>{2, 4, 8, 16}));
  auto later = log.record(app(), {false, "R", "A", "n"}, w0 + 2min);
  ASSERT_TRUE(later && !later->create);
  EXPECT_EQ(later->object["series"]["count"], 21);
  EXPECT_EQ(later->whole["series"], later->object["series"]);
}

TEST(EventLog, ASeriesEndsAfterSixMinutesOfSilence) {
  EventLog log("c", "i");
  auto first = log.record(app(), {false, "R", "A", "n"}, w0);
  auto again = log.record(app(), {false, "R", "A", "n"}, w0 + 5min);
  EXPECT_FALSE(again->create);
  auto anew = log.record(app(), {false, "R", "A", "n"}, w0 + 11min);
  ASSERT_TRUE(anew->create);
  EXPECT_NE(anew->key, first->key);
}

TEST(EventLog, WhatDiffersIsAnEventOfItsOwn) {
  EventLog log("c", "i");
  const Happening base{false, "R", "A", "n"};
  Happening other = base;
  EXPECT_TRUE(log.record(app(), base, w0)->create);
  other.note = "m";
  EXPECT_TRUE(log.record(app(), other, w0)->create);
  other.warning = true;
  EXPECT_TRUE(log.record(app(), other, w0)->create);
  EXPECT_TRUE(log.record(app("other"), base, w0)->create);
}

TEST(EventLog, AnObjectThatMakesTooManyIsCutShortAndNoOther) {
  EventLog log("c", "i");
  int created = 0;
  for (int i = 0; i < 100; ++i) {
    if (log.record(app(), {false, "R", "A", std::to_string(i)}, w0)) ++created;
  }
  EXPECT_EQ(created, 25);
  EXPECT_TRUE(log.record(app("other"), {false, "R", "A", "n"}, w0));
  EXPECT_TRUE(log.record(app(), {false, "R", "A", "x"}, w0 + 5min));
  EXPECT_FALSE(log.record(app(), {false, "R", "A", "y"}, w0 + 5min));
}

TEST(EventLog, EventsOfWhatIsInNoNamespaceAreKeptInDefaultAndLongTextsAreCut) {
  EventLog log("c", std::string(300, 'i'));
  auto write =
      log.record(app(std::string(250, 'x'), ""), {false, "R", "A", std::string(2000, 'n')}, w0);
  ASSERT_TRUE(write);
  EXPECT_EQ(write->key.space, "default");
  EXPECT_LE(write->key.name.size(), 253U);
  EXPECT_EQ(kube::text_at(write->object, {"note"}).size(), 1024U);
  EXPECT_EQ(kube::text_at(write->object, {"reportingInstance"}).size(), 128U);
  std::string wide = "x";
  while (wide.size() < 2000) wide += "ä";
  auto cut = log.record(app(), {false, "R", "A", wide}, w0);
  EXPECT_EQ(kube::text_at(cut->object, {"note"}).size(), 1023U);
}

}  // namespace
}  // namespace vibed::control
