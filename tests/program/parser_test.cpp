#include "program/parser.hpp"

#include <gtest/gtest.h>

namespace vibed::program {
namespace {

Program sample() {
  return {.name = "vibed",
          .summary = "Makes apps live.",
          .commands = {
              {.name = "deploy",
               .summary = "deploy a folder",
               .options = {{"--env", "K=V", "set a variable", true},
                           {"--name", "NAME", "its name"},
                           {"--open", "", "open it"}},
               .positionals = {{"DIR", "what", false}}},
              {.name = "logs",
               .summary = "show a log",
               .options = {{"-f,--follow", "", "go on"}},
               .positionals = {{"APP", "which"}}},
              {.name = "up", .summary = "start", .takes_config = true, .serves = true},
              {.name = "template",
               .summary = "runtimes",
               .commands = {{.name = "ls", .summary = "list them"}}},
          }};
}

Chosen choose(const std::vector<std::string>& arguments) {
  static const Program program = sample();
  auto parsed = parse(program, arguments);
  if (auto* printed = std::get_if<Printed>(&parsed)) {
    ADD_FAILURE() << printed->text;
    return {};
  }
  return std::get<Chosen>(parsed);
}

Printed print(const std::vector<std::string>& arguments) {
  const Program program = sample();
  auto parsed = parse(program, arguments);
  if (auto* printed = std::get_if<Printed>(&parsed)) return *printed;
  ADD_FAILURE() << "was chosen";
  return {};
}

TEST(Parser, FindsTheCommandAndItsValues) {
  const Chosen chosen = choose({"deploy", "dir", "--name", "x", "--open"});
  ASSERT_NE(chosen.command, nullptr);
  EXPECT_EQ(chosen.command->name, "deploy");
  EXPECT_EQ(chosen.invocation.text("DIR"), "dir");
  EXPECT_EQ(chosen.invocation.text("name"), "x");
  EXPECT_TRUE(chosen.invocation.has("open"));
  EXPECT_FALSE(chosen.invocation.has("env"));
}

TEST(Parser, GathersAnOptionThatMayComeOften) {
  const Chosen chosen = choose({"deploy", "--env", "A=1", "--env", "B=x y", "dir"});
  EXPECT_EQ(chosen.invocation.all("env"), (std::vector<std::string>{"A=1", "B=x y"}));
  EXPECT_EQ(chosen.invocation.text("DIR"), "dir");
}

TEST(Parser, TakesTheLastOfAnOptionGivenTwice) {
  EXPECT_EQ(choose({"deploy", "--name", "a", "--name=b"}).invocation.text("name"), "b");
}

TEST(Parser, LeavesOutWhatIsOptional) { EXPECT_FALSE(choose({"deploy"}).invocation.has("DIR")); }

TEST(Parser, KnowsShortOptionsByTheirLongName) {
  EXPECT_TRUE(choose({"logs", "-f", "app"}).invocation.has("follow"));
  EXPECT_TRUE(choose({"logs", "app", "--follow"}).invocation.has("follow"));
}

TEST(Parser, FindsACommandOfAGroup) { EXPECT_EQ(choose({"template", "ls"}).command->name, "ls"); }

TEST(Parser, AddsTheOptionsOfAConfiguration) {
  EXPECT_EQ(choose({"up", "--config", "v.yaml"}).invocation.text("config"), "v.yaml");
}

TEST(Parser, SuggestsTheNearestCommand) {
  const Printed printed = print({"deplyo", "dir"});
  EXPECT_EQ(printed.status, Exit::usage);
  EXPECT_EQ(printed.text,
            "vibed: there is no command deplyo; did you mean deploy?\nTry: vibed --help\n");
}

TEST(Parser, SuggestsNothingForNonsense) {
  EXPECT_EQ(print({"xyzzy-plugh"}).text,
            "vibed: there is no command xyzzy-plugh\nTry: vibed --help\n");
}

TEST(Parser, SuggestsTheNearestOption) {
  const Printed printed = print({"deploy", "--nmae", "x"});
  EXPECT_EQ(printed.status, Exit::usage);
  EXPECT_NE(printed.text.find("there is no option --nmae; did you mean --name?"), std::string::npos)
      << printed.text;
  EXPECT_NE(printed.text.find("Try: vibed deploy --help"), std::string::npos);
}

TEST(Parser, SuggestsTheNearestCommandOfAGroup) {
  EXPECT_NE(print({"template", "lst"})
                .text.find("vibed template: there is no command lst; did "
                           "you mean ls?"),
            std::string::npos);
}

TEST(Parser, SaysWhatIsMissing) {
  const Printed printed = print({"logs"});
  EXPECT_EQ(printed.status, Exit::usage);
  EXPECT_NE(printed.text.find("APP is required"), std::string::npos) << printed.text;
}

TEST(Parser, SaysWhatIsTooMuch) {
  const Printed printed = print({"logs", "a", "b"});
  EXPECT_EQ(printed.status, Exit::usage);
  EXPECT_NE(printed.text.find("too many arguments"), std::string::npos) << printed.text;
}

TEST(Parser, WithoutACommandShowsTheHelpAndIsWrongUsage) {
  const Printed printed = print({});
  EXPECT_EQ(printed.status, Exit::usage);
  EXPECT_NE(printed.text.find("deploy a folder"), std::string::npos);
}

TEST(Parser, HelpIsNoError) {
  EXPECT_EQ(print({"--help"}).status, Exit::ok);
  const Printed printed = print({"deploy", "--help"});
  EXPECT_EQ(printed.status, Exit::ok);
  EXPECT_NE(printed.text.find("--env"), std::string::npos);
  EXPECT_NE(printed.text.find("K=V"), std::string::npos);
  EXPECT_NE(printed.text.find("vibed deploy"), std::string::npos) << printed.text;
}

TEST(Parser, PrintsTheVersion) { EXPECT_TRUE(print({"--version"}).text.starts_with("vibed 0.")); }

Program with_default() {
  Program program = sample();
  program.default_command = "up";
  return program;
}

TEST(Parser, FlagsAloneAreThoseOfTheDefaultCommand) {
  const Program program = with_default();
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"--config", "x.yaml"}, {"up", "--config", "x.yaml"}}) {
    auto parsed = parse(program, arguments);
    ASSERT_TRUE(std::holds_alternative<Chosen>(parsed)) << arguments.size();
    EXPECT_EQ(std::get<Chosen>(parsed).command->name, "up");
  }
  auto other = parse(program, {"deploy", "--name", "x"});
  ASSERT_TRUE(std::holds_alternative<Chosen>(other));
  EXPECT_EQ(std::get<Chosen>(other).command->name, "deploy");
}

TEST(Parser, TheProgramsOwnFlagsAreNotThoseOfTheDefaultCommand) {
  const Program program = with_default();
  for (const char* flag : {"--help", "-h", "--version"}) {
    auto parsed = parse(program, {flag});
    ASSERT_TRUE(std::holds_alternative<Printed>(parsed)) << flag;
    EXPECT_EQ(std::get<Printed>(parsed).status, Exit::ok) << flag;
  }
  auto unknown = parse(program, {"depoly"});
  ASSERT_TRUE(std::holds_alternative<Printed>(unknown));
  EXPECT_EQ(std::get<Printed>(unknown).status, Exit::usage);
}

}  // namespace
}  // namespace vibed::program
