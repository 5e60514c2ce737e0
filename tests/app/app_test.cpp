#include "vibed/app.hpp"

#include <gtest/gtest.h>

namespace vibed {
namespace {

TEST(AppName, IsWhatADnsLabelMayBe) {
  for (const char* good : {"a", "0", "a-b", "a--b", "hello-world-2"}) {
    EXPECT_TRUE(is_app_name(good)) << good;
  }
  EXPECT_TRUE(is_app_name(std::string(63, 'a')));
  for (const char* bad : {"", "-", "-a", "a-", "A", "a_b", "a.b", "a b", "ä", "a/b", "..", "a\n"}) {
    EXPECT_FALSE(is_app_name(bad)) << bad;
  }
  EXPECT_FALSE(is_app_name(std::string(64, 'a')));
  EXPECT_FALSE(is_app_name(std::string_view("a\0b", 3)));
}

// printf %s vibed-apps/hello | sha256sum gives 33d9b479efa0b2d1…
TEST(AppLabel, IsThatOfTheGoSystem) {
  EXPECT_EQ(app_label("vibed-apps", "hello"), "6fcr8uffk2pd");
  EXPECT_EQ(app_label("vibed-apps", "hello").size(), 12u);
  EXPECT_NE(app_label("vibed-apps", "hello"), app_label("other", "hello"));
}

TEST(Phase, IsReadAsItIsWritten) {
  for (Phase phase : {Phase::none, Phase::pending, Phase::claiming, Phase::starting, Phase::ready,
                      Phase::suspended, Phase::failed}) {
    EXPECT_EQ(*parse_phase(to_string(phase)), phase);
  }
  EXPECT_FALSE(parse_phase("ready"));
}

TEST(Conditions, KeepTheirOrderAndTheirTimeUntilTheyFlip) {
  AppStatus status;
  Time first{std::chrono::seconds(100)};
  Time later{std::chrono::milliseconds(200'500)};
  set_condition(status, {"SourceValid", true, "Valid", "", {}, 1}, first);
  set_condition(status, {"Ready", false, "Claiming", "", {}, 1}, first);
  set_condition(status, {"SourceValid", true, "Valid", "again", {}, 2}, later);
  ASSERT_EQ(status.conditions.size(), 2u);
  EXPECT_EQ(status.conditions[0].message, "again");
  EXPECT_EQ(status.conditions[0].last_transition_time, first);
  set_condition(status, {"SourceValid", false, "SourceMissing", "", {}, 3}, later);
  EXPECT_EQ(status.conditions[0].type, "SourceValid");
  EXPECT_EQ(status.conditions[0].last_transition_time, Time{std::chrono::seconds(200)});
  EXPECT_EQ(find_condition(status, "Ready")->reason, "Claiming");
  EXPECT_EQ(find_condition(status, "Progressing"), nullptr);
}

}  // namespace
}  // namespace vibed
