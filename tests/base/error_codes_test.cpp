#include "base/error_codes.hpp"

#include <gtest/gtest.h>

#include <set>

namespace vibed {
namespace {

TEST(ErrorCodes, EveryWordStandsOnce) {
  std::set<std::string_view> words;
  for (const ErrorCode& code : error_codes())
    EXPECT_TRUE(words.insert(code.word).second) << code.word;
}

TEST(ErrorCodes, AWordDecidesTheStatusAndElseTheClassDoes) {
  EXPECT_EQ(http_status(make_error("payload_too_large", "x")), 413);
  EXPECT_EQ(http_status(Error{Errc::conflict, "x"}), 409);
}

TEST(ErrorCodes, AnErrorWithoutAWordIsNamedByItsClass) {
  EXPECT_EQ(wire_code(Error{Errc::not_found, "x"}), "not_found");
  EXPECT_EQ(wire_code(make_error("storage_full", "x")), "storage_full");
}

TEST(ErrorCodes, DuringPutsTheActionInFront) {
  EXPECT_EQ((Error{Errc::internal, "no such thing"}.during("open store").message),
            "open store: no such thing");
}

}  // namespace
}  // namespace vibed
