#include "agent/agent_config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "agent/link_tree.hpp"
#include "support/temp_dir.hpp"

namespace vibed::agent {
namespace {

namespace fs = std::filesystem;
using vibed::testing::TempDir;

TEST(AgentConfig, HasTheDocumentedDefaults) {
  auto config = agent_config({});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->control_address, ":9000");
  EXPECT_EQ(config->control_fd, -1);
  EXPECT_EQ(config->workdir, "/workspace");
  EXPECT_EQ(config->app_port, 8080);
  EXPECT_EQ(config->log_lines, 500);
  EXPECT_FALSE(config->require_auth);
}

TEST(AgentConfig, NumbersThatAreNoneKeepTheDefault) {
  auto config = agent_config({{"VIBED_AGENT_APP_PORT", "http"},
                              {"VIBED_AGENT_LOG_LINES", "-3"},
                              {"VIBED_AGENT_REQUIRE_AUTH", "TRUE"},
                              {"VIBED_AGENT_LIMIT_DATA", "1073741824"}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->app_port, 8080);
  EXPECT_EQ(config->log_lines, 500);
  EXPECT_FALSE(config->require_auth) << "only the exact word true";
  EXPECT_EQ(config->limit_data, 1073741824);
}

TEST(AgentConfig, DescriptorsAndLinkTreesMustBeWellFormed) {
  EXPECT_EQ(agent_config({{"VIBED_AGENT_CONTROL_FD", "3"}})->control_fd, 3);
  EXPECT_FALSE(agent_config({{"VIBED_AGENT_CONTROL_FD", "x"}}));
  EXPECT_FALSE(agent_config({{"VIBED_AGENT_RELAY_FD", "1"}}));
  using Trees = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(agent_config({{"VIBED_AGENT_LINK_TREES", "/a=/b,/c=/d"}})->link_trees,
            (Trees{{"/a", "/b"}, {"/c", "/d"}}));
  EXPECT_FALSE(agent_config({{"VIBED_AGENT_LINK_TREES", "/a"}}));
  EXPECT_EQ(agent_config({{"VIBED_AGENT_PARKED", R"(["a","b c"])"}})->parked,
            (std::vector<std::string>{"a", "b c"}));
  EXPECT_FALSE(agent_config({{"VIBED_AGENT_PARKED", "nginx"}}));
  EXPECT_FALSE(agent_config({{"VIBED_AGENT_PARKED", "[1]"}}));
}

TEST(AppEnvironment, HidesVibedAndAppliesPlanThenRequestThenPort) {
  auto config = agent_config({{"PATH", "/bin"}, {"A", "agent"}, {"VIBED_AGENT_TOKEN", "secret"}});
  ASSERT_TRUE(config);
  Environment env = app_environment(*config, {{"A", "plan"}, {"B", "plan"}, {"PORT", "1"}},
                                    {{"B", "request"}, {"VIBED_X", "own"}, {"PORT", "2"}}, 3000);
  EXPECT_EQ(env, (Environment{{"PATH", "/bin"},
                              {"A", "plan"},
                              {"B", "request"},
                              {"VIBED_X", "own"},
                              {"HOME", "/workspace"},
                              {"HOST", "0.0.0.0"},
                              {"PORT", "3000"}}));
}

TEST(LinkTree, MirrorsFoldersAndLinksFilesAndCanBeDoneAgain) {
  TempDir scratch;
  fs::create_directories(scratch / "ro/a/b");
  std::ofstream(scratch / "ro/top") << "1";
  std::ofstream(scratch / "ro/a/b/deep") << "2";
  auto made = link_tree(scratch / "ro", scratch / "rw/cache");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(*made, 2U);
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(scratch / "rw/cache/a/b")));
  EXPECT_EQ(fs::read_symlink(scratch / "rw/cache/a/b/deep"), scratch / "ro/a/b/deep");
  std::ofstream(scratch / "rw/cache/a/new") << "writable";
  EXPECT_EQ(*link_tree(scratch / "ro", scratch / "rw/cache"), 0U);
  EXPECT_FALSE(link_tree(scratch / "missing", scratch / "rw/x"));
}

}  // namespace
}  // namespace vibed::agent
