// Credentials are renewed in time, by one caller, and old ones are used as long as they work.
#include "aws/credential_cache.hpp"

#include <gtest/gtest.h>

#include <latch>
#include <thread>
#include <vector>

namespace vibed::aws {
namespace {

using namespace std::chrono_literals;

const Time kStart = Time(1'000'000s);

// A chain that gives k1, k2, … for an hour each, or fails.
class CredentialCacheTest : public ::testing::Test {
 protected:
  CredentialCache cache_{[this]() -> Result<Credentials> {
                           const int number = ++loads_;
                           if (gate_ != nullptr) gate_->wait();
                           if (failing_) return Error{Errc::unavailable, "STS is down"};
                           Credentials made;
                           made.keys.id = "k" + std::to_string(number);
                           if (life_.load() != 0s) made.expires = now_.load() + life_.load();
                           return made;
                         },
                         [this] { return now_.load(); }};

  std::string get(std::chrono::seconds life = {}) {
    auto got = cache_.get(life);
    return got ? got->keys.id : "error: " + got.error().message;
  }

  std::atomic<Time> now_{kStart};
  std::atomic<std::chrono::seconds> life_{3600s};
  std::atomic<bool> failing_{false};
  std::atomic<int> loads_{0};
  std::latch* gate_ = nullptr;
};

TEST(AwsFreshness, IsByTheTimeLeft) {
  EXPECT_EQ(freshness({}, kStart, 0s), Freshness::good);
  EXPECT_EQ(freshness(kStart + 301s, kStart, 0s), Freshness::good);
  EXPECT_EQ(freshness(kStart + 300s, kStart, 0s), Freshness::good);
  EXPECT_EQ(freshness(kStart + 299s, kStart, 0s), Freshness::soon);
  EXPECT_EQ(freshness(kStart + 11s, kStart, 0s), Freshness::soon);
  EXPECT_EQ(freshness(kStart + 10s, kStart, 0s), Freshness::bad);
  EXPECT_EQ(freshness(kStart - 1s, kStart, 0s), Freshness::bad);
  EXPECT_EQ(freshness(kStart + 800s, kStart, 900s), Freshness::soon) << "asked for longer";
  EXPECT_EQ(freshness(kStart + 901s, kStart, 900s), Freshness::good);
}

TEST_F(CredentialCacheTest, AreLoadedOnceAndRenewedBeforeTheyEnd) {
  EXPECT_EQ(get(), "k1");
  now_ = kStart + 3000s;
  EXPECT_EQ(get(), "k1");
  now_ = kStart + 3301s;
  EXPECT_EQ(get(), "k2");
  EXPECT_EQ(get(), "k2");
  EXPECT_EQ(loads_, 2);
}

TEST_F(CredentialCacheTest, ThoseWithoutAnEndAreLoadedOnce) {
  life_ = 0s;
  EXPECT_EQ(get(), "k1");
  now_ = kStart + 24h * 365;
  EXPECT_EQ(get(), "k1");
}

TEST_F(CredentialCacheTest, OldOnesAreUsedWhileNewOnesCannotBeHad) {
  EXPECT_EQ(get(), "k1");
  failing_ = true;
  now_ = kStart + 3400s;
  EXPECT_EQ(get(), "k1");
  EXPECT_EQ(get(), "k1");
  EXPECT_EQ(loads_, 2) << "not asked again at once";
  now_ = kStart + 3411s;
  EXPECT_EQ(get(), "k1");
  EXPECT_EQ(loads_, 3);
  now_ = kStart + 3595s;
  EXPECT_EQ(get(), "error: STS is down") << "they have ended";
  failing_ = false;
  EXPECT_EQ(get(), "k5");
}

TEST_F(CredentialCacheTest, ShortLivedOnesAreNotAskedForAgainAtOnce) {
  life_ = 120s;
  EXPECT_EQ(get(), "k1");
  EXPECT_EQ(get(900s), "k1");
  EXPECT_EQ(loads_, 1);
  now_ = kStart + 61s;
  EXPECT_EQ(get(), "k2");
}

TEST_F(CredentialCacheTest, AClockThatIsAheadDoesNotAskForEachRequest) {
  life_ = -600s;
  EXPECT_EQ(get(), "k1");
  EXPECT_EQ(get(), "k1");
}

TEST_F(CredentialCacheTest, RefusedOnesAreReplacedUnlessTheyWere) {
  auto first = cache_.get();
  EXPECT_EQ(cache_.renew(first->keys)->keys.id, "k2");
  EXPECT_EQ(cache_.renew(first->keys)->keys.id, "k2") << "somebody else has";
  EXPECT_EQ(loads_, 2);
  failing_ = true;
  auto refused = cache_.renew(cache_.get()->keys);
  EXPECT_EQ(refused.error().message, "STS is down");
}

TEST_F(CredentialCacheTest, ManyCallersAreOneLoad) {
  std::latch gate(1);
  gate_ = &gate;
  std::vector<std::thread> callers;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] { good += get() == "k1" ? 1 : 0; });
  }
  while (loads_ == 0) std::this_thread::yield();
  gate.count_down();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, 8);
  EXPECT_EQ(loads_, 1);
}

TEST_F(CredentialCacheTest, OthersGoOnWithTheOldOnesMeanwhile) {
  EXPECT_EQ(get(), "k1");
  std::latch gate(1);
  gate_ = &gate;
  now_ = kStart + 3400s;
  std::thread renewer([&] { EXPECT_EQ(get(), "k2"); });
  while (loads_ < 2) std::this_thread::yield();
  EXPECT_EQ(get(), "k1");
  gate.count_down();
  renewer.join();
  EXPECT_EQ(get(), "k2");
}

TEST_F(CredentialCacheTest, ThoseWhoWaitGetTheFailureToo) {
  failing_ = true;
  std::latch gate(1);
  gate_ = &gate;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] { EXPECT_EQ(get(), "error: STS is down"); });
  }
  while (loads_ == 0) std::this_thread::yield();
  gate.count_down();
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace vibed::aws
