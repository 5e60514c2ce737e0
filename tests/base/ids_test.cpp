#include "base/ids.hpp"

#include <gtest/gtest.h>

namespace vibed {
namespace {

TEST(Ids, HashOfAbcIsTheOneOfFips180) {
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Ids, BytesInPiecesHashAsInOne) {
  Sha256 hash;
  hash.update("a");
  hash.update("bc");
  EXPECT_EQ(hash.finish(), sha256("abc"));
}

// RFC 4648 section 10, in lower case and without padding.
TEST(Ids, Base32HexFollowsTheVectorsOfRfc4648) {
  EXPECT_EQ(to_base32hex(""), "");
  EXPECT_EQ(to_base32hex("f"), "co");
  EXPECT_EQ(to_base32hex("fo"), "cpng");
  EXPECT_EQ(to_base32hex("foo"), "cpnmu");
  EXPECT_EQ(to_base32hex("foob"), "cpnmuog");
  EXPECT_EQ(to_base32hex("fooba"), "cpnmuoj1");
  EXPECT_EQ(to_base32hex("foobar"), "cpnmuoj1e8");
}

TEST(Ids, RandomHexIsAsLongAsAskedAndNeverTheSame) {
  EXPECT_EQ(random_hex(16).size(), 32U);
  EXPECT_NE(random_hex(16), random_hex(16));
}

TEST(Ids, UuidHasVersionFourAndItsVariant) {
  std::string uuid = random_uuid();
  ASSERT_EQ(uuid.size(), 36U);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
}

TEST(Ids, ConstantTimeComparisonTellsTextsApart) {
  EXPECT_TRUE(equal_constant_time("token", "token"));
  EXPECT_FALSE(equal_constant_time("token", "tokem"));
  EXPECT_FALSE(equal_constant_time("token", "toke"));
}

}  // namespace
}  // namespace vibed
