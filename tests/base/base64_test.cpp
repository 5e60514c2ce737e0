#include "base/base64.hpp"

#include <gtest/gtest.h>

namespace vibed {
namespace {

TEST(Base64, TheVectorsOfTheStandardGoBothWays) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
}

TEST(Base64, AnyByteSurvives) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
}

TEST(Base64, LineBreaksAreSkipped) { EXPECT_EQ(from_base64("Zm9v\r\nYmFy\n"), "foobar"); }

TEST(Base64, WhatIsNoneIsNothing) {
  for (const char* text : {"Zg", "Zg=", "Z===", "=Zg=", "Zg==Zg==", "Zm9_", "Zm9\xff"}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace vibed
