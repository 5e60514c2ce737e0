#include "vibed/classifier.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "support/golden.hpp"
#include "support/growth.hpp"
namespace vibed {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Case {
  std::string name;
  Listing listing;
  ClassificationOverrides overrides;
  json expected;
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

Case read_case(const fs::path& folder) {
  json listing = testing::read_json(folder / "listing.json");
  Case result{folder.filename().string(), {}, {}, testing::read_json(folder / "expected.json")};
  for (const auto& file : listing.at("files"))
    result.listing.entries.push_back(testing::entry_of(file));
  if (listing.contains("package_json")) {
    const json& text = listing["package_json"];
    result.listing.package_json = text.is_string() ? text.get<std::string>() : text.dump();
  }
  json overrides = listing.value("overrides", json::object());
  result.overrides.template_name = overrides.value("template", "");
  if (overrides.contains("lane")) {
    result.overrides.lane = *parse_lane(overrides["lane"].get<std::string>());
  }
  return result;
}

std::vector<Case> read_cases() {
  std::vector<Case> cases;
  for (const auto& folder : testing::golden_folders("classifier"))
    cases.push_back(read_case(folder));
  return cases;
}

class GoldenListing : public ::testing::TestWithParam<Case> {};

TEST_P(GoldenListing, IsClassifiedAsExpected) {
  const Case& test = GetParam();
  json actual = json::parse(to_json(classify(test.listing, test.overrides)));
  EXPECT_FALSE(actual["reason"].get<std::string>().empty());
  actual.erase("reason");
  EXPECT_EQ(actual, test.expected) << actual.dump(1);
}

// The same files in any order, also with the folders around them named or not.
TEST_P(GoldenListing, IsClassifiedTheSameInAnyOrder) {
  Case test = GetParam();
  Classification expected = classify(test.listing, test.overrides);
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(test.listing.entries.begin(), test.listing.entries.end(), random);
    ASSERT_EQ(classify(test.listing, test.overrides), expected) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Classifier, GoldenListing, ::testing::ValuesIn(read_cases()),
                         [](const auto& test) { return test.param.name; });

TEST(Classifier, HasAtLeastSixtyGoldenListings) { EXPECT_GE(read_cases().size(), 60U); }

// Listings nobody thought of: random picks from the names the rules know, in every order.
TEST(Classifier, AnswersTheSameForEveryPermutationOfRandomListings) {
  std::vector<std::string> names;
  for (const auto& test : read_cases()) {
    for (const auto& entry : test.listing.entries) names.push_back(entry.path);
  }
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    Listing listing;
    std::size_t count = random() % 12;
    for (std::size_t i = 0; i < count; ++i) {
      listing.entries.push_back({.path = names[random() % names.size()]});
    }
    Classification expected = classify(listing);
    for (int shuffle = 0; shuffle < 10; ++shuffle) {
      std::shuffle(listing.entries.begin(), listing.entries.end(), random);
      ASSERT_EQ(classify(listing), expected) << to_json(expected);
    }
  }
}

TEST(Classifier, TakesTimeInProportionToTheEntries) {
  const auto pages = [](int count) {
    Listing listing;
    for (int i = 0; i < count; ++i) {
      listing.entries.push_back({.path = "pages/" + std::to_string(i) + "/index.html"});
    }
    return listing;
  };
  const Listing some = pages(1'000);
  const Listing many = pages(10'000);
  EXPECT_EQ(classify(many).rule, 1);
  EXPECT_TRUE(testing::grows_in_proportion([&] { classify(some); }, [&] { classify(many); }));
}

TEST(Classifier, OfAPathThatIsNotUtf8StillGivesJson) {
  Listing listing{.entries = {{.path = "caf\xe9.html"}}};
  EXPECT_TRUE(json::accept(to_json(classify(listing))));
}

TEST(Classifier, OfADeeplyNestedPackageJsonIsThatOfAnEmptyOne) {
  Listing listing{.entries = {{.path = "package.json"}}};
  listing.package_json = std::string(200'000, '[');
  EXPECT_EQ(classify(listing).rule, 4);
}

TEST(ParseLane, AcceptsTheTwoLanesAndRefusesTheRest) {
  EXPECT_EQ(*parse_lane("fast"), Lane::fast);
  EXPECT_EQ(*parse_lane("general"), Lane::general);
  ASSERT_FALSE(parse_lane("Fast"));
  EXPECT_EQ(parse_lane("Fast").error().reason, "bad_metadata");
}

}  // namespace
}  // namespace vibed
