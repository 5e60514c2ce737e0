#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "support/golden.hpp"
#include "support/growth.hpp"
#include "vibed/agent.hpp"

namespace vibed {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Case {
  std::string name;
  StartPlanInput input;
  json expected;
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

// A file is named in "files", or in "texts" together with what is in it.
Case read_case(const fs::path& folder) {
  json input = testing::read_json(folder / "input.json");
  Case result{folder.filename().string(), {}, testing::read_json(folder / "expected.json")};
  for (const auto& file : input.value("files", json::array())) {
    result.input.entries.push_back(testing::entry_of(file));
  }
  json texts = input.value("texts", json::object());
  for (const auto& [path, text] : texts.items()) {
    result.input.entries.push_back({.path = path});
    result.input.texts[path] = text.is_string() ? text.get<std::string>() : text.dump();
  }
  result.input.template_name = input.at("template");
  result.input.entrypoint = input.value("entrypoint", "");
  result.input.port = input.value("port", 8080);
  result.input.dependencies_path = input.value("dependencies_path", "");
  result.input.env = input.value("env", std::map<std::string, std::string>());
  return result;
}

std::vector<Case> read_cases() {
  std::vector<Case> cases;
  for (const auto& folder : testing::golden_folders("start_plan"))
    cases.push_back(read_case(folder));
  return cases;
}

json outcome(const StartPlanInput& input) {
  auto plan = start_plan(input);
  if (!plan) return {{"error", plan.error().reason}, {"message", plan.error().message}};
  json result = {{"argv", plan->argv}, {"reason", plan->reason}};
  if (!plan->env.empty()) result["env"] = plan->env;
  return result;
}

class GoldenPlan : public ::testing::TestWithParam<Case> {};

TEST_P(GoldenPlan, IsAsExpected) {
  json actual = outcome(GetParam().input);
  EXPECT_EQ(actual, GetParam().expected) << actual.dump(1);
}

TEST_P(GoldenPlan, IsTheSameInAnyOrder) {
  Case test = GetParam();
  json expected = outcome(test.input);
  std::mt19937 random(5);
  for (int round = 0; round < 10; ++round) {
    std::shuffle(test.input.entries.begin(), test.input.entries.end(), random);
    ASSERT_EQ(outcome(test.input), expected) << "round " << round;
  }
}

// The agent gives the plan only the texts it asked for.
TEST_P(GoldenPlan, NeedsNoOtherTextsThanItAsksFor) {
  Case test = GetParam();
  auto wanted = start_plan_texts(test.input.entries);
  json expected = outcome(test.input);
  std::erase_if(test.input.texts, [&](const auto& text) {
    return std::find(wanted.begin(), wanted.end(), text.first) == wanted.end();
  });
  EXPECT_EQ(outcome(test.input), expected);
}

INSTANTIATE_TEST_SUITE_P(StartPlan, GoldenPlan, ::testing::ValuesIn(read_cases()),
                         [](const auto& test) { return test.param.name; });

TEST(StartPlan, HasAtLeastFiftyGoldenCases) { EXPECT_GE(read_cases().size(), 50U); }

TEST(StartPlan, AsksForNoTextThatIsLarge) {
  std::vector<ArchiveEntry> entries = {{.path = "app.py", .size = 256 * 1024},
                                       {.path = "main.py", .size = 256 * 1024 + 1},
                                       {.path = "run.py", .type = EntryType::symlink},
                                       {.path = "notes.txt", .size = 3}};
  EXPECT_EQ(start_plan_texts(entries), std::vector<std::string>{"app.py"});
}

TEST(StartPlan, AsksForTheRootFirstWhenThereAreTooManyTexts) {
  std::vector<ArchiveEntry> entries = {{.path = "package.json"}};
  for (int i = 0; i < 1000; ++i) entries.push_back({.path = "app/" + std::to_string(i) + ".py"});
  entries.push_back({.path = "requirements.txt"});
  auto wanted = start_plan_texts(entries);
  ASSERT_EQ(wanted.size(), 64U);
  EXPECT_EQ(wanted[0], "package.json");
  EXPECT_EQ(wanted[1], "requirements.txt");
}

// Vendored trees are large, and the plan is made while somebody waits.
TEST(StartPlan, TakesTimeInProportionToVendoredFiles) {
  const auto with_files = [](int count) {
    StartPlanInput input;
    input.template_name = "base-al2023";
    for (int i = 0; i < count; ++i) {
      const std::string number = std::to_string(i);
      input.entries.push_back(
          {.path = "node_modules/m" + std::to_string(i % 500) + "/" + number + ".js"});
      input.entries.push_back(
          {.path = "vendor/p" + std::to_string(i % 500) + "/" + number + ".py"});
    }
    input.entries.push_back({.path = "app.py"});
    input.texts["app.py"] = "print('hello')\n";
    return input;
  };
  const StartPlanInput some = with_files(500);
  const StartPlanInput many = with_files(5'000);
  auto plan = start_plan(many);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->argv, (std::vector<std::string>{"python3", "app.py"}));
  EXPECT_TRUE(testing::grows_in_proportion([&] { (void)start_plan(some); },
                                           [&] { (void)start_plan(many); }));
}

// Names and texts come from strangers.
TEST(StartPlan, OfRandomBytesIsAPlanOrAnError) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    StartPlanInput input;
    input.template_name = round % 2 == 0 ? "base-al2023" : "python-313";
    for (const char* name : {"package.json", "Procfile", "Dockerfile", "app.py", "pyproject.toml",
                             "go.mod", "main.go", "manage.py"}) {
      std::string text;
      const std::string alphabet = "web: [\"a\",$PORT]\n'\\{}=app FROM CMD <<();&|#\t-";
      for (std::size_t i = random() % 80; i > 0; --i) text += alphabet[random() % alphabet.size()];
      input.entries.push_back({.path = name});
      input.texts[name] = text;
    }
    input.entrypoint = round % 3 == 0 ? input.texts["Procfile"] : "";
    auto plan = start_plan(input);
    ASSERT_TRUE(!plan || !plan->argv.empty()) << round;
  }
}

}  // namespace
}  // namespace vibed
