#include "engine/data_folder.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <filesystem>

#include "base/files.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

unsigned mode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

TEST(DataFolder, IsMadeWithAllItsParts) {
  testing::TempDir dir;
  auto folder = DataFolder::open(dir / "a/b");
  ASSERT_TRUE(folder) << folder.error().message;
  EXPECT_EQ(mode_of(folder->sources()), 0700U);
  EXPECT_EQ(mode_of(folder->spool()), 0700U);
  EXPECT_EQ(mode_of(folder->run()), 0711U);
  EXPECT_EQ(*read_file(folder->path() + "/format", 10), "1\n");
}

TEST(DataFolder, ASecondOpenIsRefusedUntilTheFirstIsGone) {
  testing::TempDir dir;
  {
    auto first = DataFolder::open(dir.path());
    ASSERT_TRUE(first);
    auto second = DataFolder::open(dir.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().reason, "data_in_use");
  }
  EXPECT_TRUE(DataFolder::open(dir.path()));
}

TEST(DataFolder, OfANewerVibedIsRefused) {
  testing::TempDir dir;
  ASSERT_TRUE(write_file(dir / "format", "2\n", Durability::unsynced));
  auto folder = DataFolder::open(dir.path());
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().reason, "data_too_new");
}

TEST(DataFolder, APathTooLongForSocketsIsRefusedWithItsLength) {
  testing::TempDir dir;
  const std::string path = dir / std::string(100, 'x');
  auto folder = DataFolder::open(path);
  ASSERT_FALSE(folder);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(folder.error().reason, "path_too_long");
  EXPECT_NE(folder.error().message.find("--data"), std::string::npos);
}

}  // namespace
}  // namespace vibed
