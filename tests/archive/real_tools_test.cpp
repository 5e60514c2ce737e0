// Archives that other programs make.
#include <cstdlib>

#include "archive_support.hpp"

namespace vibed::testing {
namespace {

using Names = std::vector<std::string>;

class RealTools : public ::testing::Test {
 protected:
  void SetUp() override {
    write(dir_ / "app/index.html", "<h1>hi</h1>");
    write(dir_ / "app/css/" + std::string(60, 'c') + "/" + std::string(60, 'd') + "/a.css", "a{}");
    write(dir_ / "app/grüße.txt", "x");
    fs::create_symlink("index.html", dir_ / "app/start.html");
  }

  // Runs `command` in the folder with app/ in it; it leaves x.tgz.
  bool run(const std::string& command) {
    return std::system(
               ("cd '" + dir_.path() + "' && { " + command + "; } >/dev/null 2>&1").c_str()) == 0;
  }

  void expect_the_app() {
    Names expected = tree(dir_ / "app");
    std::string tgz = read(dir_ / "x.tgz");
    EXPECT_EQ(names(list(tgz)), expected);
    TempDir out;
    auto extraction = extract(tgz, out.path());
    ASSERT_TRUE(extraction) << extraction.error().message;
    EXPECT_EQ(tree(out.path()), expected);
    EXPECT_EQ(read(out / "start.html"), "<h1>hi</h1>");
  }

  TempDir dir_;
};

TEST_F(RealTools, ReadsGitArchive) {
  if (!run("cd app && git init -q . && git add . && git -c user.name=n -c user.email=e@x commit "
           "-qm x && "
           "git archive --format=tar.gz -o ../x.tgz HEAD && rm -rf .git")) {
    GTEST_SKIP() << "no git";
  }
  expect_the_app();
}

TEST_F(RealTools, ReadsGitArchiveWithAPrefix) {
  if (!run("cd app && git init -q . && git add . && git -c user.name=n -c user.email=e@x commit "
           "-qm x && "
           "git archive --format=tar.gz --prefix=app-1.0/ -o ../x.tgz HEAD && rm -rf .git")) {
    GTEST_SKIP() << "no git";
  }
  expect_the_app();
}

TEST_F(RealTools, ReadsGnuTarOfAFolder) {
  ASSERT_TRUE(run("tar czf x.tgz app"));
  expect_the_app();
}

TEST_F(RealTools, ReadsGnuTarOfDot) {
  ASSERT_TRUE(run("tar czf x.tgz -C app ."));
  expect_the_app();
}

TEST_F(RealTools, ReadsGnuTarInPaxFormat) {
  ASSERT_TRUE(run("tar czf x.tgz --format=pax --pax-option=comment=x app"));
  expect_the_app();
}

TEST_F(RealTools, ReadsGnuTarInUstarFormat) {
  ASSERT_TRUE(run("tar czf x.tgz --format=ustar app"));
  expect_the_app();
}

TEST_F(RealTools, ReadsSparseFilesOfGnuTar) {
  for (const char* version : {"0.0", "0.1", "1.0"}) {
    ASSERT_TRUE(
        run("rm -f app/sparse && truncate -s 3000000 app/sparse && "
            "printf data | dd of=app/sparse bs=1 seek=1000000 conv=notrunc && "
            "tar czf x.tgz --format=pax --sparse --sparse-version=" +
            std::string(version) + " app"));
    expect_the_app();
    TempDir out;
    ASSERT_TRUE(extract(read(dir_ / "x.tgz"), out.path()));
    EXPECT_TRUE(read(out / "sparse") == read(dir_ / "app/sparse")) << version;
  }
}

TEST_F(RealTools, ReadsPythonsTarfile) {
  if (!run("/usr/bin/python3 -c \"import tarfile; t = tarfile.open('x.tgz', 'w:gz'); "
           "t.add('app', arcname='wrapped'); t.close()\"")) {
    GTEST_SKIP() << "no python3";
  }
  expect_the_app();
}

TEST_F(RealTools, IsReadByGnuTar) {
  std::string bytes;
  ASSERT_TRUE(pack_directory(dir_ / "app", [&](std::string_view more) {
    bytes += more;
    return success();
  }));
  write(dir_ / "x.tgz", bytes);
  ASSERT_TRUE(run("mkdir out && tar xzf x.tgz -C out"));
  EXPECT_EQ(tree(dir_ / "out"), tree(dir_ / "app"));
}

}  // namespace
}  // namespace vibed::testing
