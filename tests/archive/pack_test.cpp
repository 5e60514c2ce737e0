#include <sys/stat.h>

#include "archive_support.hpp"

namespace vibed::testing {
namespace {

using Names = std::vector<std::string>;

Result<std::string> pack(const std::string& path, const PackOptions& options = {}) {
  std::string bytes;
  auto summary = pack_directory(
      path,
      [&](std::string_view more) {
        bytes += more;
        return success();
      },
      options);
  if (!summary) return std::move(summary).error();
  EXPECT_EQ(summary->packed_bytes, bytes.size());
  return bytes;
}

class PackDirectory : public ::testing::Test {
 protected:
  std::string at(const std::string& name) const { return dir_ / ("app/" + name); }
  void file(const std::string& name, std::string_view content = {}) { write(at(name), content); }
  Names packed(const PackOptions& options = {}) {
    auto bytes = pack(dir_ / "app", options);
    if (!bytes) return {bytes.error().reason + ": " + bytes.error().message};
    return names(list(*bytes));
  }
  TempDir dir_;
};

TEST_F(PackDirectory, MakesWhatListArchiveAndExtractArchiveRead) {
  file("package.json", "{}");
  file("src/a.js", "1234");
  file("grüße", "日本");
  file("long/" + std::string(200, 'n') + "/" + std::string(150, 'm'), "x");
  fs::create_directory(at("empty"));
  fs::permissions(at("src/a.js"), fs::perms::owner_all);
  fs::create_symlink("src/a.js", at("main.js"));
  auto bytes = pack(dir_ / "app");
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(*list(*bytes), *list_directory(dir_ / "app"));
  EXPECT_EQ(*list(*bytes), *preview_directory(dir_ / "app"));
  TempDir out;
  ASSERT_TRUE(extract(*bytes, out.path()));
  EXPECT_EQ(*list_directory(out.path()), *list_directory(dir_ / "app"));
  EXPECT_EQ(read(out / "grüße"), "日本");
}

TEST_F(PackDirectory, CountsWhatItPacks) {
  file("a", "12345");
  file("b/c", "123");
  auto summary = pack_directory(dir_ / "app", [](std::string_view) { return success(); });
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->files, 2U);
  EXPECT_EQ(summary->bytes, 8U);
}

TEST_F(PackDirectory, KeepsATopThatIsASingleFolder) {
  file("app/main.py", "1");
  EXPECT_EQ(packed(), (Names{"d app", "f app/main.py"}));
  EXPECT_EQ(names(preview_directory(dir_ / "app")), packed());
}

TEST_F(PackDirectory, GivesEqualBytesForEqualTrees) {
  file("b", "1");
  file("a/x", "2");
  auto first = pack(dir_ / "app");
  TempDir other;
  write(other / "app/a/x", "2");
  write(other / "app/b", "1");
  fs::last_write_time(other / "app/b", fs::file_time_type::min());
  auto second = pack(other / "app");
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_TRUE(*first == *second);
}

TEST_F(PackDirectory, EndsWithItsGzipStream) {
  file("x", std::string(100'000, 'x'));
  auto bytes = pack(dir_ / "app");
  ASSERT_TRUE(bytes);
  EXPECT_LT(bytes->size(), 1000U);
}

TEST_F(PackDirectory, LeavesGitAndMacOsCruftOut) {
  file("x");
  file(".git/HEAD");
  file("sub/.git", "gitdir: ../.git");
  file("sub/y");
  file(".DS_Store");
  file("._x");
  EXPECT_EQ(packed(), (Names{"d sub", "f sub/y", "f x"}));
  EXPECT_EQ(packed({.ignore_files = false}), (Names{"d sub", "f sub/y", "f x"}));
}

TEST_F(PackDirectory, ObeysIgnoreFilesOfEveryFolder) {
  file(".gitignore", "node_modules/\n*.log\n");
  file("node_modules/a/b");
  file("x.log");
  file("sub/.gitignore", "!y.log\nsecret\n");
  file("sub/y.log");
  file("sub/secret");
  file("secret");
  EXPECT_EQ(packed(),
            (Names{"f .gitignore", "f secret", "d sub", "f sub/.gitignore", "f sub/y.log"}));
}

TEST_F(PackDirectory, LetsVibedignoreOverruleGitignore) {
  file(".gitignore", "dist/\n.env\n");
  file(".vibedignore", "!dist/\ntests/\n");
  file("dist/index.html");
  file("tests/x");
  file(".env");
  EXPECT_EQ(packed(), (Names{"f .gitignore", "f .vibedignore", "d dist", "f dist/index.html"}));
}

TEST_F(PackDirectory, PacksEverythingWhenIgnoreFilesAreOff) {
  file(".gitignore", "*\n");
  file("x");
  EXPECT_EQ(packed({.ignore_files = false}), (Names{"f .gitignore", "f x"}));
}

TEST_F(PackDirectory, RefusesASymlinkThatLeavesAndNamesIt) {
  file("sub/x");
  fs::create_symlink("../../secret", at("sub/leak"));
  auto bytes = pack(dir_ / "app");
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().reason, "unsafe_archive");
  EXPECT_NE(bytes.error().message.find("sub/leak"), std::string::npos) << bytes.error().message;
}

TEST_F(PackDirectory, RefusesAnAbsoluteSymlinkUnlessItIsIgnored) {
  file("x");
  fs::create_symlink("/usr/bin/python3", at("python"));
  EXPECT_EQ(pack(dir_ / "app").error().reason, "unsafe_archive");
  file(".vibedignore", "python\n");
  EXPECT_EQ(packed(), (Names{"f .vibedignore", "f x"}));
}

TEST_F(PackDirectory, PassesOverFifos) {
  file("x");
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  EXPECT_EQ(packed(), Names{"f x"});
}

TEST_F(PackDirectory, RefusesWhatItsLimitsDoNotAllow) {
  file("a", std::string(5000, 'a'));
  file("b");
  EXPECT_EQ(pack(dir_ / "app", {.limits = {.entries = 1}}).error().reason, "archive_too_large");
  EXPECT_EQ(pack(dir_ / "app", {.limits = {.unpacked_bytes = 4999}}).error().reason,
            "archive_too_large");
  EXPECT_EQ(pack(dir_ / "app", {.limits = {.packed_bytes = 20}}).error().reason,
            "archive_too_large");
}

TEST_F(PackDirectory, OfAMissingFolderIsNotFound) {
  EXPECT_EQ(pack(dir_ / "absent").error().code, Errc::not_found);
}

TEST_F(PackDirectory, OfAFileIsRefused) {
  file("x");
  EXPECT_EQ(pack(at("x")).error().reason, "not_a_directory");
}

TEST_F(PackDirectory, FailsAsItsSinkDoes) {
  file("x", std::string(100'000, 'x'));
  auto summary = pack_directory(dir_ / "app", [](std::string_view) {
    return Status(Error{Errc::unavailable, "the server is gone"});
  });
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, Errc::unavailable);
}

TEST_F(PackDirectory, ThrowsNothingWhenItsSinkDoes) {
  file("x");
  auto summary = pack_directory(
      dir_ / "app", [](std::string_view) -> Status { throw std::runtime_error("thrown"); });
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, Errc::internal);
}

TEST(ListDirectory, NamesWhatIsThereWithoutFollowingLinks) {
  TempDir dir;
  write(dir / "outside/secret", "");
  write(dir / "app/package.json", "{\"x\":1}");
  write(dir / "app/.DS_Store", "");
  fs::create_directory_symlink("../outside", dir / "app/link");
  auto listing = list_directory(dir / "app");
  EXPECT_EQ(names(listing), (Names{"l link -> ../outside", "f package.json"}));
  EXPECT_EQ(listing->package_json, "{\"x\":1}");
}

TEST(ListDirectory, ReadsNoPackageJsonThroughALink) {
  TempDir dir;
  write(dir / "secret", "text");
  fs::create_directory(dir / "app");
  fs::create_symlink("../secret", dir / "app/package.json");
  EXPECT_EQ(list_directory(dir / "app")->package_json, "");
}

TEST(ListDirectory, HasTheSameLimits) {
  TempDir dir;
  write(dir / "a", "");
  write(dir / "b", "");
  EXPECT_EQ(list_directory(dir.path(), {.entries = 1}).error().reason, "archive_too_large");
}

}  // namespace
}  // namespace vibed::testing
