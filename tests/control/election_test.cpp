// Elections on the fake API server and on the real one.
#include "control/election.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>

#include "kube/worlds.hpp"

namespace vibed::control {
namespace {

using testing::Fault;
using testing::Kind;
using What = Fault::What;
using Steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

// A fifth of the real times, as some tests wait for them; retries come sooner.
constexpr LeaseTimes kShort{.duration = 3000ms, .renew_deadline = 2000ms, .retry_period = 50ms};

// One that wants to lead, and what it is told.
class Candidate {
 public:
  // How many lead at this moment; never two.
  using Count = std::atomic<int>;

  Candidate(kube::Client& client, const kube::ObjectKey& lease, const std::string& identity,
            Count& leading, LeaseTimes times = kShort)
      : leading_(leading) {
    ElectionOptions options{.lease = lease, .identity = identity, .times = times, .lead = {}};
    options.lead = [this](const std::stop_token& stop) { lead(stop); };
    options.on_leader = [this](const std::string& leader) {
      const std::lock_guard lock(mutex_);
      leader_ = leader;
      changed_.notify_all();
    };
    election_ = Election::start(client, std::move(options));
  }

  bool waits_for_lead(bool leads) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 60s, [&] { return leads_ == leads; });
  }
  bool sees(const std::string& leader) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 60s, [&] { return leader_ == leader; });
  }
  void return_from_lead() {
    const std::lock_guard lock(mutex_);
    returns_ = true;
    changed_.notify_all();
  }
  bool leads() const { return election_->leads(); }
  int terms() const { return terms_; }
  std::optional<ElectionTrouble> trouble() const { return election_->trouble(); }
  void leave() { election_.reset(); }

 private:
  void lead(const std::stop_token& stop) {
    EXPECT_EQ(++leading_, 1) << "two leaders";
    ++terms_;
    set(true);
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [this] { return returns_; });
    }
    --leading_;
    set(false);
  }
  void set(bool leads) {
    const std::lock_guard lock(mutex_);
    leads_ = leads;
    changed_.notify_all();
  }

  Count& leading_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool leads_ = false;    // guarded by mutex_
  bool returns_ = false;  // guarded by mutex_
  std::string leader_;    // guarded by mutex_
  std::atomic<int> terms_ = 0;
  std::unique_ptr<Election> election_;
};

class ElectionContract : public testing::KubeTest {
 protected:
  const kube::ObjectKey lease_{space_, "controller"};
  Candidate::Count leading_ = 0;
};

TEST_P(ElectionContract, OneLeadsAndTheOtherFollowsUntilTheLeaseIsReleased) {
  auto other = open();
  Candidate one(*client_, lease_, "one", leading_);
  ASSERT_TRUE(one.waits_for_lead(true));
  EXPECT_TRUE(one.leads());
  Candidate two(*other, lease_, "two", leading_);
  EXPECT_TRUE(two.sees("one"));
  EXPECT_FALSE(two.leads());
  one.leave();
  ASSERT_TRUE(two.waits_for_lead(true));
  auto lease = client_->get(kube::leases(), lease_);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease_record(*lease).holder, "two");
  two.leave();
  EXPECT_EQ(lease_record(*client_->get(kube::leases(), lease_)).holder, "");
}

TEST_P(ElectionContract, AReleasedLeaseIsTakenBeforeItWouldHaveEnded) {
  const LeaseTimes patient{.duration = 60s, .renew_deadline = 40s, .retry_period = 100ms};
  auto other = open();
  Candidate one(*client_, lease_, "one", leading_, patient);
  ASSERT_TRUE(one.waits_for_lead(true));
  Candidate two(*other, lease_, "two", leading_, patient);
  ASSERT_TRUE(two.sees("one"));
  const auto from = Steady::now();
  one.leave();
  ASSERT_TRUE(two.waits_for_lead(true));
  EXPECT_LT(Steady::now() - from, 30s);
}

TEST_P(ElectionContract, OfManyOneLeadsAtATimeAndEachInItsTurn) {
  std::vector<std::unique_ptr<Candidate>> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(std::make_unique<Candidate>(*client_, lease_, "c" + std::to_string(i), leading_));
  }
  while (!all.empty()) {
    auto leader = all.end();
    while (leader == all.end()) {
      leader = std::find_if(all.begin(), all.end(), [](const auto& each) { return each->leads(); });
      std::this_thread::yield();
    }
    ASSERT_TRUE((*leader)->waits_for_lead(true));
    (*leader)->leave();
    all.erase(leader);
  }
}

TEST_P(ElectionContract, WhoReturnsFromLeadingMayLeadAgain) {
  Candidate one(*client_, lease_, "one", leading_);
  ASSERT_TRUE(one.waits_for_lead(true));
  one.return_from_lead();
  while (one.terms() < 2) std::this_thread::yield();
}

INSTANTIATE_TEST_SUITE_P(On, ElectionContract, ::testing::Values(Kind::fake, Kind::real),
                         testing::name_of);

class ElectionFaults : public ElectionContract {};

TEST_P(ElectionFaults, ALeaderThatCannotRenewStopsInTimeAndAnotherTakesOver) {
  auto other = open();
  Candidate one(*client_, lease_, "one", leading_);
  ASSERT_TRUE(one.waits_for_lead(true));
  Candidate two(*other, lease_, "two", leading_);
  ASSERT_TRUE(two.sees("one"));
  // The leader's writes hang; whether they would succeed in the end makes no difference.
  std::atomic<bool> hang = true;
  fake_->before_each([&](const http::Request& request) {
    if (request.method != "PUT" || request.body.find("\"one\"") == std::string::npos) return;
    while (hang && !request.stop.stop_requested()) std::this_thread::sleep_for(1ms);
  });
  EXPECT_TRUE(one.waits_for_lead(false));
  EXPECT_FALSE(one.leads());
  EXPECT_TRUE(two.waits_for_lead(true));
  hang = false;
  fake_->before_each({});
  EXPECT_TRUE(one.sees("two"));
}

TEST_P(ElectionFaults, AFewFailuresWithinTheDeadlineAreNothing) {
  const LeaseTimes times{.duration = 60s, .renew_deadline = 40s, .retry_period = 10ms};
  Candidate one(*client_, lease_, "one", leading_, times);
  ASSERT_TRUE(one.waits_for_lead(true));
  fake_->inject({.what = What::drop, .times = 3, .method = "PUT"});
  fake_->inject({.what = What::lose_answer, .times = 2, .method = "PUT"});
  fake_->inject({.what = What::refuse, .times = 3, .method = "PUT"});
  const int before = fake_->requests("PUT");
  fake_->wait_for_requests("PUT", before + 15);
  EXPECT_TRUE(one.leads());
  EXPECT_EQ(one.terms(), 1);
}

TEST_P(ElectionFaults, ALeaderWhoseLeaseWasTakenStopsAtTheNextRenewal) {
  const LeaseTimes times{.duration = 60s, .renew_deadline = 40s, .retry_period = 20ms};
  Candidate one(*client_, lease_, "one", leading_, times);
  ASSERT_TRUE(one.waits_for_lead(true));
  for (bool taken = false; !taken;) {
    auto lease = client_->get(kube::leases(), lease_);
    ASSERT_TRUE(lease);
    LeaseRecord record = lease_record(*lease);
    record.holder = "thief";
    taken = client_->replace(kube::leases(), lease_with(*lease, lease_, record)).ok();
  }
  EXPECT_TRUE(one.waits_for_lead(false));
  EXPECT_FALSE(one.leads());
  EXPECT_TRUE(one.sees("thief"));
}

TEST_P(ElectionFaults, WhoCannotReachTheLeaseSaysSinceWhen) {
  Candidate first(*client_, lease_, "first", leading_);
  ASSERT_TRUE(first.waits_for_lead(true));
  auto other = open();
  Candidate second(*other, lease_, "second", leading_);
  ASSERT_TRUE(second.sees("first"));
  EXPECT_FALSE(first.trouble());
  EXPECT_FALSE(second.trouble());

  const auto before = Steady::now();
  fake_->inject({.what = What::refuse, .times = 100'000, .path = "/leases"});
  const auto in_trouble = [](const Candidate& one) {
    for (int i = 0; i < 3000 && !one.trouble(); ++i) std::this_thread::sleep_for(10ms);
    return one.trouble();
  };
  const auto told = in_trouble(second);
  ASSERT_TRUE(told);
  EXPECT_GE(told->since, before - kShort.renew_deadline);
  EXPECT_NE(told->error.find("not now"), std::string::npos) << told->error;
  ASSERT_TRUE(in_trouble(first));
  ASSERT_TRUE(first.waits_for_lead(false));
  EXPECT_EQ(second.trouble()->since, told->since) << "it counts from the first failure";

  fake_->heal();
  for (int i = 0; i < 3000 && (first.trouble() || second.trouble()); ++i) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_FALSE(first.trouble());
  EXPECT_FALSE(second.trouble());
}

// It may read the lease, and that does not help.
TEST_P(ElectionFaults, WhoMayNotWriteTheLeaseIsInTroubleFromTheFirstAttempt) {
  fake_->inject({.what = What::refuse,
                 .times = 100'000,
                 .method = "POST",
                 .path = "/leases",
                 .refusal = {403, "Forbidden", "leases are forbidden", {}}});
  Candidate only(*client_, lease_, "only", leading_);
  fake_->wait_for_requests("POST", 1);
  for (int i = 0; i < 3000 && !only.trouble(); ++i) std::this_thread::sleep_for(10ms);
  ASSERT_TRUE(only.trouble());
  const auto since = only.trouble()->since;
  fake_->wait_for_requests("POST", 4);
  EXPECT_EQ(only.trouble()->since, since);
  fake_->heal();
  EXPECT_TRUE(only.waits_for_lead(true));
  EXPECT_FALSE(only.trouble());
}

TEST_P(ElectionFaults, ALeaseThatIsDeletedIsMadeAgainByItsHolder) {
  const LeaseTimes times{.duration = 60s, .renew_deadline = 40s, .retry_period = 20ms};
  Candidate one(*client_, lease_, "one", leading_, times);
  ASSERT_TRUE(one.waits_for_lead(true));
  fake_->remove(kube::leases(), lease_);
  while (fake_->get(kube::leases(), lease_).is_null()) std::this_thread::yield();
  EXPECT_TRUE(one.leads());
  EXPECT_EQ(one.terms(), 1);
}

INSTANTIATE_TEST_SUITE_P(On, ElectionFaults, ::testing::Values(Kind::fake), testing::name_of);

}  // namespace
}  // namespace vibed::control
