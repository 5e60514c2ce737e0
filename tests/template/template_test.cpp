#include "vibed/template.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/files.hpp"
#include "process/run.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

const Template& named(const std::vector<Template>& all, const std::string& name) {
  static const Template none;
  auto at = std::find_if(all.begin(), all.end(), [&](const Template& t) { return t.name == name; });
  EXPECT_NE(at, all.end()) << name;
  return at == all.end() ? none : *at;
}

void write_template(const std::string& folder, const std::string& text) {
  ASSERT_TRUE(make_directories(folder));
  ASSERT_TRUE(write_file(folder + "/local.yaml", text, Durability::unsynced));
}

class ShippedTemplates : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto loaded = load_templates(std::string(VIBED_SOURCE_DIR) + "/templates");
    ASSERT_TRUE(loaded) << loaded.error().message;
    all_ = *std::move(loaded);
  }
  static inline std::vector<Template> all_;
};

TEST_F(ShippedTemplates, AreTheSixOfThisVersion) {
  std::vector<std::string> names;
  for (const auto& each : all_) names.push_back(each.name);
  EXPECT_EQ(names, (std::vector<std::string>{"base-al2023", "go-123", "node-24", "python-313",
                                             "static-nginx", "workerd"}));
}

TEST_F(ShippedTemplates, BelongToTheLanesOfTheClassifier) {
  for (const auto& each : all_) {
    bool fast = each.name == "static-nginx" || each.name == "workerd";
    EXPECT_EQ(each.lane, fast ? "fast" : "general") << each.name;
    EXPECT_FALSE(each.description.empty()) << each.name;
    EXPECT_FALSE(each.language.empty()) << each.name;
  }
}

// Whatever this machine has: what is found runs, and what is not found says how to get it.
TEST_F(ShippedTemplates, NameRuntimesThatRunOrSayHowToGetThem) {
  for (const auto& each : all_) {
    if (!each.available) {
      EXPECT_FALSE(each.message.empty()) << each.name;
      continue;
    }
    ASSERT_FALSE(each.runtimes.empty()) << each.name;
    for (const auto& runtime : each.runtimes) {
      EXPECT_EQ(runtime.program.front(), '/') << runtime.program;
      bool go = runtime.name == "go";
      bool nginx = runtime.name == "nginx";
      auto output = run({runtime.program, go ? "version" : nginx ? "-v" : "--version"});
      ASSERT_TRUE(output) << runtime.program;
      std::string said = output->out + output->err;
      EXPECT_NE(said.find(runtime.version), std::string::npos) << said << runtime.version;
      EXPECT_NE(each.runtime_version.find(runtime.name + " " + runtime.version), std::string::npos);
    }
  }
}

TEST_F(ShippedTemplates, GoKnowsItsRoot) {
  const Template& go = named(all_, "go-123");
  if (!go.available) GTEST_SKIP() << go.message;
  EXPECT_EQ(go.runtimes[0].program, go.runtimes[0].env.at("GOROOT") + "/bin/go");
}

TEST_F(ShippedTemplates, BaseHasEveryRuntimeThatTheOthersHave) {
  std::size_t count = 0;
  for (const char* name : {"node-24", "python-313", "go-123"}) {
    count += named(all_, name).available ? 1U : 0U;
  }
  const Template& base = named(all_, "base-al2023");
  EXPECT_EQ(base.runtimes.size(), count);
  EXPECT_EQ(base.available, count > 0);
}

TEST_F(ShippedTemplates, WorkerdIsListedAndSaysWhyItCannotBeUsed) {
  const Template& workerd = named(all_, "workerd");
  EXPECT_FALSE(workerd.available);
  EXPECT_NE(workerd.message.find("Workers"), std::string::npos);
}

TEST(LoadTemplates, OfAMissingRuntimeIsUnavailableAndSaysHowToMendIt) {
  testing::TempDir dir;
  write_template(dir / "x", R"({lane: general, language: x, runtimes: [{name: x, minimum: "1",
    candidates: [no-such-program-of-any-name], answers: [version], install: install x}]})");
  auto loaded = load_templates(dir.path());
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_EQ(loaded->size(), 1U);
  EXPECT_FALSE(loaded->front().available);
  EXPECT_EQ(loaded->front().message, "no x 1 or newer on this machine: install x");
}

TEST(LoadTemplates, OfAnOptionalRuntimeThatIsMissingIsAvailableWithTheRest) {
  testing::TempDir dir;
  write_template(dir / "x", R"({lane: general, language: x, runtimes: [
    {name: x, minimum: "1", candidates: [no-such-program-of-any-name], answers: [version], optional: true},
    {name: y, minimum: "1", candidates: [/bin/echo], ask: ["2.0"], answers: [version], optional: true}]})");
  auto loaded = load_templates(dir.path());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(loaded->front().available);
  EXPECT_EQ(loaded->front().runtime_version, "y 2.0");
}

TEST(LoadTemplates, OfABadFileNamesIt) {
  testing::TempDir dir;
  write_template(dir / "x", "lane: fast\n");
  auto loaded = load_templates(dir.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message, dir / "x/local.yaml: language is missing");
}

TEST(LoadTemplates, OfARuntimeFromNowhereNamesIt) {
  testing::TempDir dir;
  write_template(dir / "x", "{lane: fast, language: x, runtimes: [{from: y}]}");
  auto loaded = load_templates(dir.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message, "template x: no runtime in template y");
}

TEST(LoadTemplates, OfAMissingFolderIsNotFound) {
  auto loaded = load_templates("/nonexistent/templates");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::not_found);
}

}  // namespace
}  // namespace vibed
