#include "agent/inject_request.hpp"

#include <gtest/gtest.h>

namespace vibed::agent {
namespace {

TEST(InjectRequest, ReadsEveryMemberAndNeedsNone) {
  auto full = parse_inject_request(
      R"({"token":"t","generation":7,"entrypoint":"node x.js","env":{"A":"1"},"port":3000,)"
      R"("source_url":"http://x/s.tar.gz"})");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->token, "t");
  EXPECT_EQ(full->generation, 7);
  EXPECT_EQ(full->entrypoint, "node x.js");
  EXPECT_EQ(full->env, (Environment{{"A", "1"}}));
  EXPECT_EQ(full->port, 3000);
  EXPECT_EQ(full->source_url, "http://x/s.tar.gz");
  EXPECT_TRUE(parse_inject_request("{}"));
  EXPECT_TRUE(parse_inject_request(R"({"token":null,"later":"member"})"));
}

TEST(InjectRequest, WrongTypesAndValuesAreRefused) {
  for (const char* text :
       {"", "x", "[]", "{", R"({"port":70000})", R"({"port":-1})", R"({"port":"80"})",
        R"({"env":["A=1"]})", R"({"env":{"A":1}})", R"({"env":{"A=B":"1"}})", R"({"env":{"":"1"}})",
        R"({"env":{"A":"x\u0000y"}})", R"({"generation":"1"})", R"({"token":1})",
        R"({"source_url":1})"}) {
    auto parsed = parse_inject_request(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::invalid_argument);
  }
}

TEST(PullRequest, WantsExactlyOneOfFilesAndUrl) {
  EXPECT_EQ(parse_pull_request("{}").error().message, "either files or source_url is required");
  EXPECT_EQ(parse_pull_request(R"({"files":{"a":"b"},"source_url":"http://x/"})").error().message,
            "files and source_url are mutually exclusive");
  EXPECT_TRUE(parse_pull_request("not json").error().message.starts_with("invalid JSON body: "));
  EXPECT_TRUE(parse_pull_request(R"({"source_url":"http://x/"})"));
}

TEST(PullRequest, InlinePathsStayInTheFolder) {
  for (const char* path : {"a", "a/b.txt", "..a", ".hidden"}) EXPECT_TRUE(is_inline_path(path));
  for (const char* path : {"", "/a", "a//b", "../a", "a/..", "a/../b", "./a", "a/", ".."})
    EXPECT_FALSE(is_inline_path(path)) << path;
  EXPECT_EQ(parse_pull_request(R"({"files":{"../x":"y"}})").error().message,
            "illegal file path \"../x\"");
}

TEST(PullRequest, ACommandIsGivenOrFollowsFromTheLanguage) {
  using Command = std::vector<std::string>;
  EXPECT_EQ(*derived_command({.language = "x", .command = {"go"}}), Command{"go"});
  auto derived = [](std::string language, std::map<std::string, std::string> files) {
    return derived_command({.language = std::move(language), .files = std::move(files)});
  };
  EXPECT_EQ(*derived("python", {{"server.py", ""}, {"run.py", ""}}),
            (Command{"python", "server.py"}));
  EXPECT_EQ(*derived("python", {}), (Command{"python", "app.py"}));
  EXPECT_EQ(*derived("nodejs", {{"app.js", ""}, {"main.js", ""}}), (Command{"node", "app.js"}));
  EXPECT_EQ(derived("go", {}).error().message,
            "no run command: language \"go\" is not runnable on the fast path and no explicit "
            "command was given");
}

}  // namespace
}  // namespace vibed::agent
