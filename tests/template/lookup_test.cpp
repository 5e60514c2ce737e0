#include "template/lookup.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/files.hpp"
#include "support/temp_dir.hpp"

namespace vibed::templates {
namespace {

// A folder with programs that say what they are told to.
class Lookup : public ::testing::Test {
 protected:
  Lookup() { ::chmod(dir_.path().c_str(), 0755); }

  std::string program(const std::string& name, const std::string& output) {
    std::string path = dir_ / name;
    EXPECT_TRUE(make_directories(path.substr(0, path.rfind('/'))));
    EXPECT_TRUE(write_file(path, "#!/bin/sh\n" + output + "\n", Durability::unsynced, 0755));
    return path;
  }

  RuntimeSpec spec(std::vector<std::string> candidates) const {
    return {.name = "tool",
            .candidates = std::move(candidates),
            .ask = {"--version"},
            .answers = {"version"},
            .program = {},
            .minimum = "2.5",
            .install = "install tool (apt-get install tool)",
            .from = {}};
  }

  vibed::testing::TempDir dir_;
};

TEST_F(Lookup, TakesTheFirstCandidateThatIsThereAndNewEnough) {
  auto old = program("old", "echo tool 2.4.9");
  auto good = program("good", "echo tool 2.10.0");
  auto found = look_up(spec({"no-such-program-of-any-name", old, good}), {});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->program, good);
  EXPECT_EQ(found->version, "2.10.0");
}

TEST_F(Lookup, FollowsAShimToTheProgramItNames) {
  auto real = program("real/bin/tool", "true");
  auto shim = program("shim", "echo 3.0; echo " + real + "; echo " + dir_ / "real");
  auto wanted = spec({shim});
  wanted.answers = {"version", "program", "folder"};
  auto found = look_up(wanted, {});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->program, real);
  EXPECT_EQ(found->folders, std::vector<std::string>{dir_ / "real"});
}

TEST_F(Lookup, BuildsTheProgramFromAnAnswer) {
  auto real = program("root/bin/tool", "true");
  auto wanted = spec({program("env", "echo " + dir_ / "root" + "; echo go3.1")});
  wanted.answers = {"env.TOOLROOT", "version"};
  wanted.program = "${TOOLROOT}/bin/tool";
  auto found = look_up(wanted, {});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->program, real);
  EXPECT_EQ(found->version, "3.1");
  EXPECT_EQ(found->env.at("TOOLROOT"), dir_ / "root");
  EXPECT_EQ(found->folders, std::vector<std::string>{dir_ / "root"});
}

TEST_F(Lookup, ReadsTheErrorOutputWhenThereIsNoOther) {
  auto found = look_up(spec({program("tool", "echo tool version: tool/4.2 >&2")}), {});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->version, "4.2");
}

TEST_F(Lookup, PassesOverWhatOthersCannotEnter) {
  auto hidden = program("private/tool", "echo 3.0");
  auto open = program("open/tool", "echo 3.1");
  ::chmod((dir_ / "private").c_str(), 0700);
  ASSERT_TRUE(others_can_use(open)) << "the folder of temporary files is private here";
  auto for_others = look_up(spec({hidden, open}), {.for_others = true});
  ASSERT_TRUE(for_others) << for_others.error().message;
  EXPECT_EQ(for_others->program, open);
  auto for_us = look_up(spec({hidden, open}), {.for_others = false});
  ASSERT_TRUE(for_us);
  EXPECT_EQ(for_us->program, hidden);
}

TEST_F(Lookup, OfNoneThatWillDoSaysWhyAndHowToMendIt) {
  auto old = program("old", "echo 1.0");
  auto broken = program("broken", "exit 3");
  auto found = look_up(spec({old, "no-such-program-of-any-name", broken}), {});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, "no tool 2.5 or newer on this machine (" + old + " is 1.0; " +
                                       broken +
                                       " does not run): install tool (apt-get install tool)");
}

TEST(VersionIn, FindsTheFirstNumberWithDots) {
  EXPECT_EQ(version_in("v20.20.2"), "v20.20.2");
  EXPECT_EQ(version_in("nginx version: nginx/1.22.1"), "1.22.1");
  EXPECT_EQ(version_in("go1.26.1"), "1.26.1");
  EXPECT_EQ(version_in("Python 3.13.0rc1"), "3.13.0");
  EXPECT_EQ(version_in("none"), "");
}

TEST(IsAtLeast, ComparesNumberByNumber) {
  EXPECT_TRUE(is_at_least("v20.1.0", "18"));
  EXPECT_TRUE(is_at_least("3.10", "3.9"));
  EXPECT_TRUE(is_at_least("3.9", "3.9"));
  EXPECT_FALSE(is_at_least("3.8.20", "3.9"));
  EXPECT_FALSE(is_at_least("1", "1.19"));
  EXPECT_FALSE(is_at_least("", "1"));
}

TEST(FoldersToMount, LeavesOutWhatEverySandboxHas) {
  EXPECT_TRUE(folders_to_mount("/usr/bin/node", {}).empty());
  EXPECT_TRUE(folders_to_mount("/usr/local/go/bin/go", {"/usr/local/go"}).empty());
}

TEST(FoldersToMount, NamesTheProgramsFolderButNotWhatIsAroundIt) {
  EXPECT_EQ(folders_to_mount("/home/ann/bin/node", {}), std::vector<std::string>{"/home/ann/bin"});
  EXPECT_EQ(folders_to_mount("/opt/py/bin/python3", {"/opt/py"}),
            std::vector<std::string>{"/opt/py"});
}

}  // namespace
}  // namespace vibed::templates
