#include "config/values.hpp"

#include <gtest/gtest.h>

namespace vibed {
namespace {

TEST(ParseSize, ReadsQuantitiesAsKubernetesWritesThem) {
  EXPECT_EQ(parse_size("0"), 0);
  EXPECT_EQ(parse_size("1000"), 1000);
  EXPECT_EQ(parse_size("512Mi"), 512LL * 1024 * 1024);
  EXPECT_EQ(parse_size("1.5Gi"), 1536LL * 1024 * 1024);
  EXPECT_EQ(parse_size("64k"), 64'000);
  EXPECT_EQ(parse_size("2G"), 2'000'000'000);
}

TEST(ParseSize, RefusesEverythingElse) {
  for (const char* text : {"", "Mi", "-1", "-1Mi", "1 Mi", "1mb", "1e3Mi", "0x10", "1.5",
                           "99999999Ti", "nan", "infGi", "1..5Gi", "9223372036854775808"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(ParsePercentage, IsOfTheWhole) {
  EXPECT_EQ(parse_percentage("10%", 2000), 200);
  EXPECT_EQ(parse_percentage("100%", 2000), 2000);
  for (const char* text : {"0%", "101%", "%", "1.5%", "-5%", "10", ""}) {
    EXPECT_FALSE(parse_percentage(text, 2000)) << text;
  }
}

TEST(ParseRange, HasTwoNumbersInOrder) {
  EXPECT_EQ(parse_range("5-9"), (std::pair<std::int64_t, std::int64_t>(5, 9)));
  for (const char* text : {"9-5", "5", "-", "5-", "-5", "a-b", "1-2-3"}) {
    EXPECT_FALSE(parse_range(text)) << text;
  }
}

TEST(IsAddress, NeedsAPort) {
  for (const char* text : {"127.0.0.1:8080", ":0", "localhost:65535", "[::1]:80"}) {
    EXPECT_TRUE(is_address(text)) << text;
  }
  for (const char* text : {"8080", "x:", "x:65536", "x:-1", "::1:80", "[]:80", "http://x:1", ""}) {
    EXPECT_FALSE(is_address(text)) << text;
  }
}

TEST(IsDomain, IsLabelsInLowerCase) {
  for (const char* text : {"localhost", "apps.example.org", "a-b.c1"}) {
    EXPECT_TRUE(is_domain(text)) << text;
  }
  for (const char* text : {"", ".", "a..b", "-a", "a-", "a-.b", "A", "a b", "a/b", "a.", "*.x"}) {
    EXPECT_FALSE(is_domain(text)) << text;
  }
}

TEST(MachineMemory, IsMoreThanNothing) { EXPECT_GT(machine_memory(), 64LL * 1024 * 1024); }

}  // namespace
}  // namespace vibed
