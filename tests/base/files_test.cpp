#include "base/files.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/temp_dir.hpp"

namespace vibed {
namespace {

TEST(Files, AWrittenFileIsReadBackAndLeavesNoTemporary) {
  testing::TempDir dir;
  ASSERT_TRUE(write_file(dir / "a", "hello", Durability::synced));
  ASSERT_TRUE(write_file(dir / "a", "again", Durability::unsynced));
  EXPECT_EQ(*read_file(dir / "a", 100), "again");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(Files, AMissingFileIsNotFound) {
  testing::TempDir dir;
  EXPECT_EQ(read_file(dir / "none", 100).error().code, Errc::not_found);
}

TEST(Files, AFileOverTheLimitIsRefused) {
  testing::TempDir dir;
  ASSERT_TRUE(write_file(dir / "a", std::string(101, 'x'), Durability::unsynced));
  EXPECT_EQ(read_file(dir / "a", 100).error().code, Errc::resource_exhausted);
}

TEST(Files, FoldersAreMadeWithTheirParentsAndTwice) {
  testing::TempDir dir;
  ASSERT_TRUE(make_directories(dir / "a/b/c"));
  ASSERT_TRUE(make_directories(dir / "a/b/c"));
  ASSERT_TRUE(write_file(dir / "file", "", Durability::unsynced));
  EXPECT_FALSE(make_directories(dir / "file/x"));
}

}  // namespace
}  // namespace vibed
