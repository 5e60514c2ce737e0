#include "base/time.hpp"

#include <gtest/gtest.h>

namespace vibed {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Time, Rfc3339RoundTrips) {
  std::chrono::system_clock::time_point time{seconds(1'795'352'400)};
  EXPECT_EQ(to_rfc3339(time), "2026-11-22T13:00:00Z");
  EXPECT_EQ(parse_rfc3339("2026-11-22T13:00:00Z"), time);
}

TEST(Time, OffsetsAndFractionsAreRead) {
  auto time = parse_rfc3339("2026-11-22T14:30:00.5+01:30");
  ASSERT_TRUE(time);
  EXPECT_EQ(to_rfc3339_nano(*time), "2026-11-22T13:00:00.500000000Z");
}

TEST(Time, WhatIsNoTimeIsRefused) {
  for (const char* text :
       {"", "2026", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-22T25:00:00Z",
        "2026-11-22T13:00:00", "2026-11-22T13:00:00Zx", "2026-11-22T13:00:00.Z"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

TEST(Time, DurationsAreReadAsGoWritesThem) {
  EXPECT_EQ(parse_duration("90s"), milliseconds(90'000));
  EXPECT_EQ(parse_duration("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("1.5h"), milliseconds(5'400'000));
  EXPECT_EQ(parse_duration("0"), milliseconds(0));
}

TEST(Time, WhatIsNoDurationIsRefused) {
  for (const char* text : {"", "5", "-5s", "s", "5 s", "1d", "1e9h", "999999999999999h"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Time, DurationsArePrintedAsGoPrintsThem) {
  EXPECT_EQ(to_duration_text(seconds(7)), "7s");
  EXPECT_EQ(to_duration_text(seconds(67)), "1m7s");
  EXPECT_EQ(to_duration_text(seconds(3667)), "1h1m7s");
}

TEST(Time, TimesThatNoClockHasAreTheNearestThatItHas) {
  EXPECT_EQ(to_rfc3339(*parse_rfc3339("9999-12-31T23:59:59Z")), "2261-12-31T23:59:59Z");
  EXPECT_EQ(to_rfc3339(*parse_rfc3339("0001-01-01T00:00:00Z")), "1678-01-01T00:00:00Z");
  EXPECT_TRUE(parse_rfc3339("0000-01-01T00:00:00+99:99"));
  EXPECT_TRUE(parse_rfc3339("9999-12-31T23:59:60.999999999-99:99"));
}

}  // namespace
}  // namespace vibed
