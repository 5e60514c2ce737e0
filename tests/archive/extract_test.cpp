#include <sys/stat.h>

#include "archive_support.hpp"

namespace vibed::testing {
namespace {

using Names = std::vector<std::string>;

unsigned mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777U;
}

TEST(ExtractArchive, WritesFilesFoldersAndLinks) {
  TarBuilder tar;
  tar.file("a.txt", "text").directory("empty").file("d/e/f", "deep").symlink("l", "d/e/f");
  tar.hardlink("h", "a.txt");
  TempDir dir;
  auto extraction = extract(tar.tgz(), dir.path());
  ASSERT_TRUE(extraction) << extraction.error().message;
  EXPECT_EQ(tree(dir.path()),
            (Names{"f a.txt", "d d", "d d/e", "f d/e/f", "d empty", "f h", "l l -> d/e/f"}));
  EXPECT_EQ(read(dir / "a.txt"), "text");
  EXPECT_EQ(read(dir / "l"), "deep");
  EXPECT_EQ(read(dir / "h"), "text");
}

TEST(ExtractArchive, CountsFilesAndBytes) {
  TempDir dir;
  auto extraction = extract(make_tgz({{"a", "12345"}, {"b/c", "123"}}), dir.path());
  ASSERT_TRUE(extraction);
  EXPECT_EQ(extraction->files, 2U);
  EXPECT_EQ(extraction->bytes, 8U);
}

TEST(ExtractArchive, LeavesWhatListArchiveAndListDirectoryAgreeOn) {
  TarBuilder tar;
  tar.file("app/package.json", "{\"name\":\"x\"}").file("app/run", "#!/bin/sh", 0755);
  tar.file("app/a/b/c", "1")
      .symlink("app/a/l", "../run")
      .file("app/._x")
      .hardlink("app/h", "app/run");
  tar.file("app/a/b", "a file now").file("app/package.json", "{}");
  TempDir dir;
  ASSERT_TRUE(extract(tar.tgz(), dir.path()));
  auto on_disk = list_directory(dir.path());
  Listing listed = *list(tar.tgz());
  ASSERT_EQ(listed.entries[3].path, "h");
  listed.entries[3] = {.path = "h", .size = 9, .executable = true};
  EXPECT_EQ(on_disk->entries, listed.entries);
  EXPECT_EQ(on_disk->package_json, "{}");
}

TEST(ExtractArchive, StripsTheWrappingFolder) {
  TempDir dir;
  ASSERT_TRUE(extract(make_tgz({{"app/x", "1"}, {"app/y/z", "2"}}), dir.path()));
  EXPECT_EQ(tree(dir.path()), (Names{"f x", "d y", "f y/z"}));
}

TEST(ExtractArchive, StripsAWrapperThatHoldsSomethingOfItsOwnName) {
  TempDir dir;
  ASSERT_TRUE(extract(make_tgz({{"app/app/x", "1"}, {"app/y", "2"}}), dir.path()));
  EXPECT_EQ(tree(dir.path()), (Names{"d app", "f app/x", "f y"}));
}

TEST(ExtractArchive, GivesOnlyTheModes644And755) {
  TarBuilder tar;
  tar.file("plain", "", 0600).file("run", "", 04711).entry('5', "d/", {}, {}, 01777).file("d/x");
  mode_t before = ::umask(077);
  TempDir dir;
  auto extraction = extract(tar.tgz(), dir.path());
  ::umask(before);
  ASSERT_TRUE(extraction);
  EXPECT_EQ(mode_of(dir / "plain"), 0644U);
  EXPECT_EQ(mode_of(dir / "run"), 0755U);
  EXPECT_EQ(mode_of(dir / "d"), 0755U);
}

TEST(ExtractArchive, KeepsTheContentOfADuplicatesLastEntryOnly) {
  TarBuilder tar;
  tar.file("a", "a long first text").hardlink("kept", "a").file("a", "short");
  TempDir dir;
  ASSERT_TRUE(extract(tar.tgz(), dir.path()));
  EXPECT_EQ(read(dir / "a"), "short");
  EXPECT_EQ(read(dir / "kept"), "a long first text");
}

TEST(ExtractArchive, ReplacesFoldersFilesAndLinksByOneAnother) {
  TarBuilder tar;
  tar.file("a/b/c/d", "1").file("a", "file").file("l/x", "1").symlink("l", "a");
  tar.file("f", "1").file("f/g", "2").symlink("s", "f").directory("s").file("s/t", "3");
  TempDir dir;
  auto extraction = extract(tar.tgz(), dir.path());
  ASSERT_TRUE(extraction) << extraction.error().message;
  EXPECT_EQ(tree(dir.path()), (Names{"f a", "d f", "f f/g", "l l -> a", "d s", "f s/t"}));
  EXPECT_EQ(tree(dir.path()), names(list(tar.tgz())));
}

TEST(ExtractArchive, FillsTheHolesOfSparseFilesWithZeros) {
  TarBuilder tar;
  tar.sparse_file("s", 10'000, 512, "data").sparse_file("hole", 4096, 0, "");
  TempDir dir;
  auto extraction = extract(tar.tgz(), dir.path());
  ASSERT_TRUE(extraction) << extraction.error().message;
  EXPECT_EQ(read(dir / "s"), std::string(512, '\0') + "data" + std::string(10'000 - 516, '\0'));
  EXPECT_EQ(read(dir / "hole"), std::string(4096, '\0'));
  EXPECT_EQ(extraction->bytes, 14'096U);
}

TEST(ExtractArchive, WritesLargeFilesWhole) {
  std::string content;
  for (int i = 0; i < 400'000; ++i) content += std::to_string(i);
  TempDir dir;
  ASSERT_TRUE(extract(make_tgz({{"a", "1"}, {"big", content}, {"c", "2"}}), dir.path()));
  EXPECT_TRUE(read(dir / "big") == content);
  EXPECT_EQ(read(dir / "c"), "2");
}

TEST(ExtractArchive, AcceptsLinksThatStayInside) {
  TarBuilder tar;
  tar.file("app/x", "1").symlink("app/bin/tool", "../lib/pkg/tool.js").file("app/lib/pkg/tool.js");
  tar.symlink("app/dot", ".").symlink("app/a/up", "..").symlink("app/dangling", "not/there");
  tar.symlink("app/twisted", "lib/../x").symlink("app/loop", "loop");
  TempDir dir;
  auto extraction = extract(tar.tgz(), dir.path());
  ASSERT_TRUE(extraction) << extraction.error().message;
  EXPECT_EQ(fs::read_symlink(dir / "bin/tool"), "../lib/pkg/tool.js");
  EXPECT_EQ(read(dir / "twisted"), "1");
  EXPECT_EQ(tree(dir.path()), names(list(tar.tgz())));
}

TEST(ExtractArchive, MakesTreesAsDeepAsAPathMayBeLong) {
  std::string path;
  while (path.size() < 1020) path += "d/";
  TempDir dir;
  auto extraction = extract(make_tgz({{path + "x", "1"}, {"y", ""}}), dir.path());
  ASSERT_TRUE(extraction) << extraction.error().message;
  EXPECT_EQ(tree(dir.path()).size(), 512U);
}

TEST(ExtractArchive, RemovesADeepTreeWhenItFails) {
  std::string path;
  while (path.size() < 1020) path += "d/";
  TempDir dir;
  std::string tgz = TarBuilder().file(path + "x").file("d/d/d/y").file("../x").tgz();
  EXPECT_FALSE(extract(tgz, dir.path()));
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

TEST(ExtractArchive, NeverReplacesWhatWasThereBefore) {
  TempDir dir;
  write(dir / "m", "mine");
  auto extraction = extract(make_tgz({{"a", "1"}, {"m", "theirs"}, {"z/z", "1"}}), dir.path());
  ASSERT_FALSE(extraction);
  EXPECT_EQ(extraction.error().code, Errc::already_exists);
  EXPECT_EQ(tree(dir.path()), Names{"f m"});
  EXPECT_EQ(read(dir / "m"), "mine");
}

TEST(ExtractArchive, DoesNotFollowALinkThatIsInTheTarget) {
  TempDir dir;
  fs::create_directory(dir / "outside");
  fs::create_directory(dir / "target");
  fs::create_directory_symlink("../outside", dir / "target/d");
  EXPECT_FALSE(extract(make_tgz({{"d/x", "1"}, {"y", ""}}), dir / "target"));
  EXPECT_TRUE(fs::is_empty(dir / "outside"));
  EXPECT_EQ(tree(dir / "target"), Names{"l d -> ../outside"});
}

TEST(ExtractArchive, OfWhatIsNoDirectoryFails) {
  TempDir dir;
  write(dir / "file", "");
  Fd file(::open((dir / "file").c_str(), O_RDONLY | O_CLOEXEC));
  std::string tgz = make_tgz({{"x", ""}});
  auto source = make_memory_source(tgz);
  EXPECT_FALSE(extract_archive(*source, file.get()));
}

TEST(ExtractArchive, OfAnEmptyTarLeavesTheDirectoryEmpty) {
  TempDir dir;
  ASSERT_TRUE(extract(TarBuilder().tgz(), dir.path()));
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

}  // namespace
}  // namespace vibed::testing
