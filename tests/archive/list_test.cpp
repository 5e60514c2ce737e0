#include "archive_support.hpp"

namespace vibed::testing {
namespace {

using Names = std::vector<std::string>;

TEST(ListArchive, NamesEveryEntryOnceSortedByPath) {
  TarBuilder tar;
  tar.file("z.txt", "zz").directory("b").file("b/run", "#!", 0755).symlink("a", "b/run");
  auto listing = list(tar.tgz());
  ASSERT_TRUE(listing) << listing.error().message;
  std::vector<ArchiveEntry> expected = {
      {.path = "a", .type = EntryType::symlink, .target = "b/run"},
      {.path = "b", .type = EntryType::directory},
      {.path = "b/run", .size = 2, .executable = true},
      {.path = "z.txt", .size = 2}};
  EXPECT_EQ(listing->entries, expected);
}

TEST(ListArchive, ShowsFoldersThatPathsOnlyImply) {
  EXPECT_EQ(names(list(make_tgz({{"a/b/c", ""}, {"x", ""}}))),
            (Names{"d a", "d a/b", "f a/b/c", "f x"}));
}

TEST(ListArchive, CleansPaths) {
  EXPECT_EQ(names(list(make_tgz({{"./a//b/./c", ""}, {"./x", ""}}))),
            (Names{"d a", "d a/b", "f a/b/c", "f x"}));
}

TEST(ListArchive, StripsASingleWrappingFolder) {
  EXPECT_EQ(names(list(make_tgz({{"app/package.json", "{}"}, {"app/src/x.js", ""}}))),
            (Names{"f package.json", "d src", "f src/x.js"}));
}

TEST(ListArchive, StripsOneFolderOnly) {
  EXPECT_EQ(names(list(make_tgz({{"a/b/x", ""}, {"a/b/y", ""}}))),
            (Names{"d b", "f b/x", "f b/y"}));
}

TEST(ListArchive, StripsTheFolderOfATarOfDot) {
  TarBuilder tar;
  tar.directory("./").directory("./app").file("./app/x");
  EXPECT_EQ(names(list(tar.tgz())), Names{"f x"});
}

TEST(ListArchive, DoesNotStripAFolderWithANeighbour) {
  EXPECT_EQ(names(list(make_tgz({{"app/x", ""}, {"README", ""}}))),
            (Names{"f README", "d app", "f app/x"}));
}

TEST(ListArchive, DoesNotStripAFolderWhoseNeighbourSortsBetweenItAndItsContent) {
  EXPECT_EQ(names(list(make_tgz({{"app/x", ""}, {"app-notes", ""}}))),
            (Names{"d app", "f app-notes", "f app/x"}));
}

TEST(ListArchive, DoesNotStripASingleFile) {
  EXPECT_EQ(names(list(make_tgz({{"app", ""}}))), Names{"f app"});
}

TEST(ListArchive, LeavesMacOsCruftOutBeforeItLooksForTheWrapper) {
  EXPECT_EQ(names(list(make_tgz({{"._app", ""},
                                 {"app/._x", ""},
                                 {"app/x", ""},
                                 {"app/.DS_Store", ""},
                                 {"app/Icon\r", ""},
                                 {"__MACOSX/app/._x", ""}}))),
            Names{"f x"});
}

TEST(ListArchive, StripsTheWrapperFromHardLinkTargets) {
  TarBuilder tar;
  tar.file("app/x", "1").hardlink("app/y", "./app/x");
  EXPECT_EQ(names(list(tar.tgz())), (Names{"f x", "h y -> x"}));
}

TEST(ListArchive, TakesTheLastOfTwoEqualPaths) {
  TarBuilder tar;
  tar.file("a", "1").file("b").file("./a", "333", 0755);
  auto listing = list(tar.tgz());
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->entries[0], (ArchiveEntry{.path = "a", .size = 3, .executable = true}));
  EXPECT_EQ(listing->entries.size(), 2U);
}

TEST(ListArchive, ReplacesAFolderByAFileOfItsName) {
  TarBuilder tar;
  tar.file("x").file("d/e/f").file("d-e").file("d", "now a file");
  EXPECT_EQ(names(list(tar.tgz())), (Names{"f d", "f d-e", "f x"}));
}

TEST(ListArchive, ReplacesAFileByAFolderOfItsName) {
  TarBuilder tar;
  tar.file("x").file("d").file("d/e");
  EXPECT_EQ(names(list(tar.tgz())), (Names{"d d", "f d/e", "f x"}));
}

TEST(ListArchive, KeepsWhatIsInAFolderThatComesTwice) {
  TarBuilder tar;
  tar.file("x").directory("d").file("d/e").directory("d");
  EXPECT_EQ(names(list(tar.tgz())), (Names{"d d", "f d/e", "f x"}));
}

TEST(ListArchive, ReadsTheRootPackageJson) {
  auto listing = list(make_tgz({{"package.json", "{\"a\":1}"}, {"sub/package.json", "{}"}}));
  EXPECT_EQ(listing->package_json, "{\"a\":1}");
}

TEST(ListArchive, ReadsThePackageJsonOfAWrappedTree) {
  auto listing = list(make_tgz({{"app/x/package.json", "no"}, {"app/package.json", "yes"}}));
  EXPECT_EQ(listing->package_json, "yes");
}

TEST(ListArchive, ReadsTheLastPackageJson) {
  auto listing = list(make_tgz({{"package.json", "first"}, {"x", ""}, {"package.json", "2"}}));
  EXPECT_EQ(listing->package_json, "2");
}

TEST(ListArchive, ForgetsAPackageJsonThatIsReplacedByALink) {
  TarBuilder tar;
  tar.file("package.json", "text").file("x").symlink("package.json", "x");
  EXPECT_EQ(list(tar.tgz())->package_json, "");
}

TEST(ListArchive, ForgetsAPackageJsonWhoseFolderIsReplaced) {
  TarBuilder tar;
  tar.file("app/package.json", "text").file("app").directory("app").file("app/x");
  auto listing = list(tar.tgz());
  EXPECT_EQ(names(listing), Names{"f x"});
  EXPECT_EQ(listing->package_json, "");
}

TEST(ListArchive, ReadsNoMoreThan256KiBOfPackageJson) {
  auto listing = list(make_tgz({{"package.json", std::string(300 * 1024, 'x')}}));
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->package_json, std::string(256 * 1024, 'x'));
  EXPECT_EQ(listing->entries[0].size, 300U * 1024);
}

TEST(ListArchive, AcceptsAPaxGlobalHeader) {
  TarBuilder tar;
  tar.global_pax({{"comment", "0123456789012345678901234567890123456789"}}).file("x");
  EXPECT_EQ(names(list(tar.tgz())), Names{"f x"});
}

TEST(ListArchive, ReadsPaxPathsAsTheBytesTheyAre) {
  TarBuilder tar;
  tar.pax({{"path", "grüße/日本.txt"}}).file("short").file("y");
  EXPECT_EQ(names(list(tar.tgz())), (Names{"d grüße", "f grüße/日本.txt", "f y"}));
}

TEST(ListArchive, ReadsLongNamesOfGnuTar) {
  std::string name = std::string(120, 'n') + "/" + std::string(150, 'm');
  EXPECT_EQ(names(list(make_tgz({{name, ""}, {"x", ""}}))),
            (Names{"d " + std::string(120, 'n'), "f " + name, "f x"}));
}

TEST(ListArchive, ReadsUstarPrefixes) {
  TarBuilder tar;
  tar.header({.name = "x", .prefix = "some/folder"}).file("y");
  EXPECT_EQ(names(list(tar.tgz())), (Names{"d some", "d some/folder", "f some/folder/x", "f y"}));
}

TEST(ListArchive, ShowsTheRealSizeOfASparseFile) {
  TarBuilder tar;
  tar.sparse_file("s", 1'000'000, 512 * 1000, "data").file("y");
  auto listing = list(tar.tgz());
  ASSERT_TRUE(listing) << listing.error().message;
  EXPECT_EQ(listing->entries[0], (ArchiveEntry{.path = "s", .size = 1'000'000}));
}

TEST(ListArchive, ReadsAnEmptyTar) {
  auto listing = list(TarBuilder().tgz());
  ASSERT_TRUE(listing) << listing.error().message;
  EXPECT_TRUE(listing->entries.empty());
}

TEST(ListArchive, ReadsSeveralGzipMembersAsOneStream) {
  TarBuilder tar;
  tar.file("x", "content").file("y");
  std::string bytes = tar.tar();
  std::string tgz = gzip(bytes.substr(0, 700)) + gzip("") + gzip(bytes.substr(700));
  EXPECT_EQ(names(list(tgz)), (Names{"f x", "f y"}));
}

TEST(ListArchive, AcceptsZeroPaddingBehindGzipAndTar) {
  TarBuilder tar;
  tar.file("x");
  EXPECT_EQ(names(list(gzip(tar.tar() + std::string(600'000, '\0')) + std::string(1000, '\0'))),
            Names{"f x"});
}

TEST(ListArchive, AcceptsATarWithoutItsEndMarker) {
  TarBuilder tar;
  tar.file("x", "content");
  EXPECT_EQ(names(list(gzip(tar.unfinished()))), Names{"f x"});
}

// A source that hands out a byte at a time, then fails.
class Failing final : public ByteSource {
 public:
  Failing(std::string bytes, Error error) : bytes_(std::move(bytes)), error_(std::move(error)) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    if (at_ == bytes_.size()) return error_;
    buffer[0] = bytes_[at_++];
    return std::size_t{1};
  }

 private:
  std::string bytes_;
  Error error_;
  std::size_t at_ = 0;
};

TEST(ListArchive, FailsAsItsSourceDoes) {
  std::string tgz = make_tgz({{"x", "content"}});
  Failing source(tgz.substr(0, tgz.size() / 2), {Errc::unavailable, "the client is gone"});
  auto listing = list_archive(source);
  ASSERT_FALSE(listing);
  EXPECT_EQ(listing.error().code, Errc::unavailable);
  EXPECT_EQ(listing.error().message, "the client is gone");
}

class Throwing final : public ByteSource {
 public:
  Result<std::size_t> read(std::span<char>) override { throw std::runtime_error("thrown"); }
};

TEST(ListArchive, ThrowsNothingWhenItsSourceDoes) {
  Throwing source;
  auto listing = list_archive(source);
  ASSERT_FALSE(listing);
  EXPECT_EQ(listing.error().code, Errc::internal);
}

}  // namespace
}  // namespace vibed::testing
