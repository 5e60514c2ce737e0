#include "base/text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace vibed {
namespace {

TEST(Text, IsCutBetweenTwoCharacters) {
  const std::string text = "a\xC3\xA4\xE2\x82\xAC";  // one, two and three bytes
  EXPECT_EQ(cut(text, 6), text);
  EXPECT_EQ(cut(text, 7), text);
  for (std::size_t most : {5U, 4U, 3U}) EXPECT_EQ(cut(text, most), "a\xC3\xA4") << most;
  for (std::size_t most : {2U, 1U}) EXPECT_EQ(cut(text, most), "a") << most;
  EXPECT_EQ(cut(text, 0), "");
}

TEST(Text, OfNothingButContinuationsNothingIsLeft) { EXPECT_EQ(cut("\x80\x80\x80", 2), ""); }

}  // namespace
}  // namespace vibed
