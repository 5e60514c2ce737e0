#include "sandbox/ledger.hpp"

#include <gtest/gtest.h>

#include <set>

namespace vibed::sandbox {
namespace {

using namespace std::chrono_literals;

Template kind(const std::string& name, int size) {
  Template about;
  about.name = name;
  about.size = size;
  about.available = true;
  return about;
}

class LedgerTest : public ::testing::Test {
 protected:
  SandboxRequest request(int app, std::int64_t generation = 1, const std::string& from = "a") {
    std::string name = "app" + std::to_string(app);
    return {name, "uid-" + name, "label-" + name, generation, from};
  }

  // Boots all that refill asks for.
  std::size_t fill() {
    now_ += 1s;
    auto refill = ledger_.refill(now_);
    for (const std::string& name : refill.boot) {
      std::string id = new_id();
      ledger_.add_boot(id, name);
      ledger_.booted(id);
    }
    return refill.boot.size();
  }

  std::string new_id() { return "id" + std::to_string(++last_id_); }

  int last_id_ = 0;
  Ledger::Clock now_{100s};
  Ledger ledger_{{kind("a", 2), kind("b", 1)}, {100, 20}};
};

TEST_F(LedgerTest, AClaimTakesAWarmSandboxAndIsIdempotent) {
  EXPECT_EQ(fill(), 3U);
  auto first = ledger_.claim(request(1), new_id(), now_);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->fresh);
  EXPECT_FALSE(first->boot);
  EXPECT_EQ(first->sandbox.phase, SandboxPhase::bound);
  auto again = ledger_.claim(request(1), new_id(), now_);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->fresh);
  EXPECT_EQ(again->sandbox.id, first->sandbox.id);
  auto next = ledger_.claim(request(1, 2), new_id(), now_);
  ASSERT_TRUE(next);
  EXPECT_NE(next->sandbox.id, first->sandbox.id);
}

TEST_F(LedgerTest, AClaimOnAnEmptyPoolBootsAtOnce) {
  auto claimed = ledger_.claim(request(1), "x", now_);
  ASSERT_TRUE(claimed);
  EXPECT_TRUE(claimed->boot);
  EXPECT_EQ(claimed->sandbox.phase, SandboxPhase::pending);
  EXPECT_TRUE(ledger_.booted("x"));
  EXPECT_EQ(ledger_.find("x")->sandbox.phase, SandboxPhase::bound);
}

TEST_F(LedgerTest, AClaimTakesOneThatBootsAlreadyRatherThanBootingAnother) {
  ledger_.add_boot("warm", "a");
  auto claimed = ledger_.claim(request(1), "x", now_);
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->sandbox.id, "warm");
  EXPECT_FALSE(claimed->boot);
  EXPECT_EQ(claimed->sandbox.phase, SandboxPhase::pending);
}

TEST_F(LedgerTest, AGoneSandboxDoesNotCount) {
  auto first = ledger_.claim(request(1), "x", now_);
  ASSERT_TRUE(first);
  ledger_.find("x")->sandbox.phase = SandboxPhase::gone;
  auto second = ledger_.claim(request(1), "y", now_);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->sandbox.id, "y");
}

TEST_F(LedgerTest, RefillsKeepOutOfTheWayOfADeploy) {
  fill();
  ASSERT_TRUE(ledger_.claim(request(1), "x", now_));
  auto refill = ledger_.refill(now_);
  EXPECT_TRUE(refill.boot.empty());
  ASSERT_TRUE(refill.next);
  EXPECT_GT(*refill.next, now_);
  EXPECT_EQ(ledger_.refill(*refill.next).boot, std::vector<std::string>{"a"});
}

TEST_F(LedgerTest, MissesMakeThePoolGrowAndQuietShrinksIt) {
  for (int i = 0; i < 4; ++i)
    ASSERT_TRUE(ledger_.claim(request(i), new_id(), now_));  // four misses: 1, 3, 7, 15
  std::size_t grown = fill();
  EXPECT_EQ(grown, 16U);  // 2 + 15 + 1, but no more than 20 in all
  now_ += 61s;
  auto refill = ledger_.refill(now_);
  EXPECT_TRUE(refill.boot.empty());
  EXPECT_GT(refill.end.size(), 3U);
  ASSERT_TRUE(refill.next);
}

TEST_F(LedgerTest, AFullMachineIsExhausted) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(ledger_.claim(request(i), new_id(), now_));
  EXPECT_EQ(ledger_.claim(request(20), new_id(), now_).error().reason, "pool_exhausted");
}

TEST_F(LedgerTest, TooLittleMemoryForAllGivesEveryTemplateOneFirst) {
  Ledger small({kind("a", 2), kind("b", 2), kind("c", 2)}, {4, 20});
  auto refill = small.refill(now_);
  EXPECT_EQ(refill.boot, (std::vector<std::string>{"a", "a", "b", "c"}));
}

TEST_F(LedgerTest, AFailedBootIsTriedAgainOnceForAClaimAndThenTheClaimFails) {
  ASSERT_TRUE(ledger_.claim(request(1), "x", now_));
  EXPECT_TRUE(ledger_.boot_failed("x", "no", now_));
  EXPECT_EQ(ledger_.find("x")->sandbox.phase, SandboxPhase::pending);
  EXPECT_FALSE(ledger_.boot_failed("x", "no", now_));
  EXPECT_EQ(ledger_.find("x")->sandbox.phase, SandboxPhase::failed);
  EXPECT_EQ(ledger_.find("x")->sandbox.reason, "SandboxFailed");
}

TEST_F(LedgerTest, FailedBootsOfWarmOnesAreRetriedLaterAndLater) {
  auto wait_after_failure = [&] {
    auto refill = ledger_.refill(now_);
    EXPECT_FALSE(refill.boot.empty());
    ledger_.add_boot("x", "a");
    ledger_.add_boot("y", "a");
    ledger_.add_boot("z", "b");
    EXPECT_FALSE(ledger_.boot_failed("x", "broken", now_));
    ledger_.forget("y");
    auto next = ledger_.refill(now_).next;
    EXPECT_TRUE(next);
    auto wait = next.value_or(now_) - now_;
    now_ = next.value_or(now_);
    ledger_.forget("z");
    return wait;
  };
  auto first = wait_after_failure();
  auto second = wait_after_failure();
  EXPECT_GT(second, first);
  EXPECT_NE(ledger_.templates().at(0).message.find("broken"), std::string::npos);
}

TEST_F(LedgerTest, UnknownAndUnavailableTemplatesAreToldApart) {
  Template off = kind("off", 1);
  off.available = false;
  off.message = "node is not installed";
  Ledger ledger({off}, {});
  EXPECT_EQ(ledger.claim(request(1, 1, "zzz"), "x", now_).error().reason, "template_missing");
  auto refused = ledger.claim(request(1, 1, "off"), "x", now_);
  EXPECT_EQ(refused.error().reason, "template_unavailable");
  EXPECT_NE(refused.error().message.find("node is not installed"), std::string::npos);
  EXPECT_TRUE(ledger.refill(now_).boot.empty());
}

TEST_F(LedgerTest, ClaimsOfATemplateThatCannotBootYetWait) {
  ledger_.set_bootable("a", false, "compiling");
  auto claimed = ledger_.claim(request(1), "x", now_);
  ASSERT_TRUE(claimed);
  EXPECT_FALSE(claimed->boot);
  EXPECT_EQ(claimed->sandbox.phase, SandboxPhase::pending);
  EXPECT_EQ(ledger_.find("x")->boots, 0);
  now_ += 1s;
  EXPECT_EQ(ledger_.refill(now_).boot, std::vector<std::string>{"b"});
  EXPECT_EQ(ledger_.templates().at(0).message, "compiling");
}

TEST_F(LedgerTest, TemplatesAreCounted) {
  fill();
  ASSERT_TRUE(ledger_.claim(request(1), "x", now_));
  auto status = ledger_.templates().at(0);
  EXPECT_EQ(status.name, "a");
  EXPECT_EQ(status.size, 2);
  EXPECT_EQ(status.ready, 1);
  EXPECT_EQ(status.claimed, 1);
}

TEST_F(LedgerTest, OnlyAWarmSandboxIsAHit) {
  ASSERT_TRUE(ledger_.claim(request(1), "none-there", now_));
  ledger_.add_boot("boots", "a");
  ASSERT_TRUE(ledger_.claim(request(2), "x", now_));
  ledger_.add_boot("warm", "a");
  ledger_.booted("warm");
  ASSERT_TRUE(ledger_.claim(request(3), "y", now_));
  ASSERT_TRUE(ledger_.claim(request(3), "z", now_)) << "the same claim again counts once";
  auto status = ledger_.templates().at(0);
  EXPECT_EQ(status.hits, 1);
  EXPECT_EQ(status.misses, 2);
}

}  // namespace
}  // namespace vibed::sandbox
