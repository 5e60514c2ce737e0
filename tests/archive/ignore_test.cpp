#include "archive/ignore.hpp"

#include "archive_support.hpp"

namespace vibed::testing {
namespace {

bool ignores(std::string_view lines, std::string_view path, bool is_folder = false) {
  archive::IgnoreRules rules;
  rules.add("", lines);
  return rules.ignores(path, is_folder);
}

TEST(IgnoreRules, ANameMatchesAtEveryDepth) {
  EXPECT_TRUE(ignores("x.log", "x.log"));
  EXPECT_TRUE(ignores("x.log", "a/b/x.log"));
  EXPECT_FALSE(ignores("x.log", "x.logs"));
}

TEST(IgnoreRules, AStarStaysWithinAPart) {
  EXPECT_TRUE(ignores("*.log", "a/b.log"));
  EXPECT_TRUE(ignores("a/*.log", "a/b.log"));
  EXPECT_FALSE(ignores("a/*.log", "a/b/c.log"));
}

TEST(IgnoreRules, ASlashAnchors) {
  EXPECT_TRUE(ignores("/x", "x"));
  EXPECT_FALSE(ignores("/x", "a/x"));
  EXPECT_TRUE(ignores("a/x", "a/x"));
  EXPECT_FALSE(ignores("a/x", "b/a/x"));
}

TEST(IgnoreRules, ASlashAtTheEndMeansFoldersOnly) {
  EXPECT_TRUE(ignores("build/", "build", true));
  EXPECT_TRUE(ignores("build/", "a/build", true));
  EXPECT_FALSE(ignores("build/", "build", false));
}

TEST(IgnoreRules, TwoStarsCrossFolders) {
  EXPECT_TRUE(ignores("**/x", "x"));
  EXPECT_TRUE(ignores("**/x", "a/b/x"));
  EXPECT_TRUE(ignores("a/**/x", "a/x"));
  EXPECT_TRUE(ignores("a/**/x", "a/b/c/x"));
  EXPECT_FALSE(ignores("a/**/x", "b/x"));
  EXPECT_TRUE(ignores("a/**", "a/b/c"));
  EXPECT_FALSE(ignores("a/**", "a", true));
  EXPECT_TRUE(ignores("a/**/b/**/c", "a/b/x/b/c"));
}

TEST(IgnoreRules, AnExclamationMarkTakesBack) {
  EXPECT_FALSE(ignores("*.log\n!keep.log", "keep.log"));
  EXPECT_TRUE(ignores("!keep.log\n*.log", "keep.log"));
  EXPECT_TRUE(ignores("*.log\n!keep.log", "x.log"));
}

TEST(IgnoreRules, CommentsBlanksAndEscapes) {
  EXPECT_FALSE(ignores("# x\n\n   \n/\n", "x"));
  EXPECT_TRUE(ignores("\\#x", "#x"));
  EXPECT_TRUE(ignores("\\!x", "!x"));
  EXPECT_TRUE(ignores("x  \r\n", "x"));
  EXPECT_TRUE(ignores("x\\ ", "x "));
  EXPECT_TRUE(ignores("\xef\xbb\xbfx", "x"));
  EXPECT_TRUE(ignores("a\\*b", "a*b"));
  EXPECT_FALSE(ignores("a\\*b", "axb"));
}

TEST(IgnoreRules, SetsAndQuestionMarks) {
  EXPECT_TRUE(ignores("*.py[co]", "x.pyc"));
  EXPECT_FALSE(ignores("*.py[co]", "x.py"));
  EXPECT_TRUE(ignores("[a-c]?", "b1"));
  EXPECT_FALSE(ignores("[!a-c]x", "bx"));
  EXPECT_TRUE(ignores("[^a-c]x", "dx"));
  EXPECT_TRUE(ignores("[]x]", "]"));
  EXPECT_TRUE(ignores("[[:digit:]]x", "7x"));
  EXPECT_TRUE(ignores("[a-]", "-"));
  EXPECT_FALSE(ignores("[ab", "a"));
  EXPECT_FALSE(ignores("[ab", "[ab"));
}

TEST(IgnoreRules, ADeeperFileWins) {
  archive::IgnoreRules rules;
  rules.add("", "*.log\n");
  rules.add("a", "!*.log\n/top\n");
  EXPECT_TRUE(rules.ignores("x.log", false));
  EXPECT_FALSE(rules.ignores("a/x.log", false));
  EXPECT_FALSE(rules.ignores("a/b/x.log", false));
  EXPECT_TRUE(rules.ignores("a/top", false));
  EXPECT_FALSE(rules.ignores("a/b/top", false));
}

TEST(IgnoreRules, ManyStarsTakeNoExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "*a";
  EXPECT_FALSE(ignores(pattern + "b", std::string(200, 'a')));
  std::string folders;
  for (int i = 0; i < 60; ++i) folders += "**/a/";
  std::string path;
  for (int i = 0; i < 200; ++i) path += "a/";
  EXPECT_FALSE(ignores(folders + "b", path + "c"));
}

// git's own answer to the same question is the reference.
TEST(IgnoreRules, AgreeWithGit) {
  TempDir dir;
  std::string repo = dir / "repo";
  write(
      repo + "/.gitignore",
      "*.log\n!keep.log\n/build\nnode_modules/\ndocs/**/*.tmp\nsrc/*.o\n**/cache\n*.py[co]\na/**\n"
      "!a/keep\nfoo/*\n!foo/bar\n[Tt]emp\n*~\n\\!bang\n\\#hash\nspace\\ "
      "\nx/y/\nd?t\n**/deep/**/end\n");
  write(repo + "/sub/.gitignore", "!x.log\n/only\nbuild\n");
  for (const char* path : {"x.log",
                           "keep.log",
                           "build/x",
                           "src/build/x",
                           "node_modules/a/b",
                           "sub/node_modules/c",
                           "node_modules2",
                           "docs/a.tmp",
                           "docs/b/c/a.tmp",
                           "docs/a.txt",
                           "src/m.o",
                           "src/n/m.o",
                           "cache/x",
                           "p/q/cache",
                           "m.pyc",
                           "m.py",
                           "a/one",
                           "a/keep",
                           "a/b/c",
                           "foo/bar/x",
                           "foo/baz/x",
                           "Temp",
                           "temp/x",
                           "old~",
                           "!bang",
                           "#hash",
                           "space ",
                           "space",
                           "x/y/z",
                           "q/x/y/z",
                           "dot",
                           "doot",
                           "deep/end",
                           "k/deep/l/m/end",
                           "sub/x.log",
                           "sub/y.log",
                           "sub/only",
                           "sub/s/only",
                           "sub/build",
                           "sub/t/build/x"}) {
    write(repo + "/" + path, "");
  }
  std::string git = "cd '" + repo +
                    "' && git init -q . && git -c core.excludesFile= ls-files -coz "
                    "--exclude-standard > ../expected";
  if (std::system(git.c_str()) != 0) GTEST_SKIP() << "no git";
  std::vector<std::string> expected;
  std::stringstream lines(read(dir / "expected"));
  for (std::string line; std::getline(lines, line, '\0');) expected.push_back("f " + line);
  std::sort(expected.begin(), expected.end());
  std::vector<std::string> actual;
  for (std::string& line : names(preview_directory(repo))) {
    if (line.starts_with("f ")) actual.push_back(std::move(line));
  }
  EXPECT_EQ(actual, expected);
}

}  // namespace
}  // namespace vibed::testing
