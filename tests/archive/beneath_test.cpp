#include "archive/beneath.hpp"

#include <cerrno>

#include "archive_support.hpp"

namespace vibed::testing {
namespace {

using Open = Fd (*)(int root, const std::string& path, int flags, unsigned mode);

struct Way {
  std::string name;
  Open open;
  friend std::ostream& operator<<(std::ostream& out, const Way& way) { return out << way.name; }
};

class OpenBeneath : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    write(dir_ / "root/a/b/file", "inside");
    write(dir_ / "secret", "outside");
    fs::create_symlink("../secret", dir_ / "root/out");
    fs::create_symlink("a", dir_ / "root/in");
    root_ = Fd(::open((dir_ / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  Fd open(const std::string& path, int flags = O_RDONLY, unsigned mode = 0) {
    return GetParam().open(root_.get(), path, flags, mode);
  }
  TempDir dir_;
  Fd root_;
};

TEST_P(OpenBeneath, OpensWhatIsBelow) { EXPECT_TRUE(open("a/b/file")); }

TEST_P(OpenBeneath, OpensTheRootForAnEmptyPath) { EXPECT_TRUE(open("", O_RDONLY | O_DIRECTORY)); }

TEST_P(OpenBeneath, MakesAFile) {
  EXPECT_TRUE(open("a/new", O_WRONLY | O_CREAT | O_EXCL, 0644));
  EXPECT_TRUE(fs::exists(dir_ / "root/a/new"));
}

TEST_P(OpenBeneath, DoesNotGoUp) {
  EXPECT_FALSE(open("../secret"));
  EXPECT_FALSE(open("a/../../secret"));
}

TEST_P(OpenBeneath, DoesNotTakeAnAbsolutePath) { EXPECT_FALSE(open("/etc/passwd")); }

TEST_P(OpenBeneath, FollowsNoLink) {
  EXPECT_FALSE(open("out"));
  EXPECT_FALSE(open("in/b/file"));
  EXPECT_FALSE(open("out", O_WRONLY | O_CREAT, 0644));
}

INSTANTIATE_TEST_SUITE_P(Ways, OpenBeneath,
                         ::testing::Values(Way{"Openat2", archive::open_beneath},
                                           Way{"ByParts", archive::open_beneath_by_parts}),
                         [](const auto& way) { return way.param.name; });

TEST(RemoveBeneath, RemovesATreeButNotWhatItsLinksPointTo) {
  TempDir dir;
  write(dir / "keep/file", "");
  write(dir / "root/d/e/f/g", "");
  write(dir / "root/d/h", "");
  fs::create_directory_symlink("../../keep", dir / "root/d/l");
  Fd root(::open((dir / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(archive::remove_beneath(root.get(), "d"));
  EXPECT_TRUE(fs::is_empty(dir / "root"));
  EXPECT_TRUE(fs::exists(dir / "keep/file"));
}

TEST(RemoveBeneath, OfWhatIsMissingIsASuccess) {
  TempDir dir;
  Fd root(::open(dir.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(archive::remove_beneath(root.get(), "x"));
  EXPECT_TRUE(archive::remove_beneath(root.get(), "x/y/z"));
}

}  // namespace
}  // namespace vibed::testing
