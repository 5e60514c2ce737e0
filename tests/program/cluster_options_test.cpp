#include "vibed/cluster_options.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

Invocation called(std::map<std::string, std::vector<std::string>> values,
                  std::map<std::string, std::string> environment) {
  Invocation invocation;
  invocation.values = std::move(values);
  invocation.environment = std::move(environment);
  return invocation;
}

TEST(ClusterOptions, AreReadAsTheyAreOffered) {
  auto options = with_cluster_options({{"--own", "X", "its own"}});
  ASSERT_EQ(options.size(), 3U);
  EXPECT_EQ(options[0].names, "--own");
  EXPECT_EQ(options[1].names, "--kubeconfig");
  EXPECT_EQ(options[2].names, "--context");
  auto access = cluster_access(
      called({{"kubeconfig", {"file"}}, {"context", {"here"}}}, {{"HOME", "/home/x"}}));
  EXPECT_EQ(access.kubeconfig, "file");
  EXPECT_EQ(access.context, "here");
  EXPECT_EQ(access.environment.at("HOME"), "/home/x");
}

TEST(InstallSecret, IsOfTheEnvironment) {
  auto secret = install_secret(called({}, {{"VIBED_INSTALL_SECRET", "of the environment"}}));
  ASSERT_TRUE(secret) << secret.error().message;
  EXPECT_EQ(*secret, "of the environment");
}

TEST(InstallSecret, OfAFileComesFirstAndLosesItsLineFeed) {
  testing::TempDir folder;
  ASSERT_TRUE(write_file(folder / "secret", "of the file\n", Durability::unsynced, 0600));
  auto secret = install_secret(called({{"install-secret-file", {folder / "secret"}}},
                                      {{"VIBED_INSTALL_SECRET", "of the environment"}}));
  ASSERT_TRUE(secret) << secret.error().message;
  EXPECT_EQ(*secret, "of the file");
}

TEST(InstallSecret, MissingIsBadUsageThatSaysWhereItWasLookedFor) {
  testing::TempDir folder;
  ASSERT_TRUE(write_file(folder / "empty", "\n", Durability::unsynced, 0600));
  struct Case {
    std::string file;
    const char* says;
  };
  for (const Case& each : {Case{"", "VIBED_INSTALL_SECRET"}, Case{folder / "none", "none"},
                           Case{folder / "empty", "empty"}}) {
    auto secret = each.file.empty() ? install_secret(called({}, {}))
                                    : install_secret(called({{"install-secret-file", {each.file}}},
                                                            {{"VIBED_INSTALL_SECRET", "ignored"}}));
    ASSERT_FALSE(secret) << each.file;
    EXPECT_EQ(secret.error().reason, "bad_usage");
    EXPECT_NE(secret.error().message.find(each.says), std::string::npos) << secret.error().message;
  }
}

}  // namespace
}  // namespace vibed
