#include "config/yaml.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace vibed {
namespace {

using nlohmann::json;

TEST(YamlToJson, TypesScalarsAsYaml12Does) {
  auto value = yaml_to_json("[1, -2, 1.5, 1e3, true, no, ~, '1', \"true\", 1.2.3, +7, x]");
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, json({1, -2, 1.5, 1000.0, true, "no", nullptr, "1", "true", "1.2.3", 7, "x"}));
}

TEST(YamlToJson, KeepsMappingsListsAndAliases) {
  auto value = yaml_to_json("a: &x {b: [1, 2]}\nc: *x\n");
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, json({{"a", {{"b", {1, 2}}}}, {"c", {{"b", {1, 2}}}}}));
}

TEST(YamlToJson, OfNothingIsNull) {
  EXPECT_EQ(*yaml_to_json(""), json(nullptr));
  EXPECT_EQ(*yaml_to_json("# only a remark\n"), json(nullptr));
}

// Nine levels of ten aliases are a billion values.
TEST(YamlToJson, OfABombOfAliasesFailsSoon) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    std::string name = "a" + std::to_string(i);
    std::string list;
    for (int k = 0; k < 10; ++k) list += (k == 0 ? "*a" : ", *a") + std::to_string(i - 1);
    bomb += name + ": &" + name + " [" + list + "]\n";
  }
  auto value = yaml_to_json(bomb);
  ASSERT_FALSE(value);
  EXPECT_NE(value.error().message.find("too many values"), std::string::npos);
}

TEST(YamlToJson, OfATreeThatHoldsItselfFails) { EXPECT_FALSE(yaml_to_json("&a [*a]")); }

TEST(YamlToJson, OfDeepNestingFails) {
  auto value = yaml_to_json(std::string(100, '[') + std::string(100, ']'));
  ASSERT_FALSE(value);
  EXPECT_NE(value.error().message.find("deep"), std::string::npos);
  EXPECT_FALSE(yaml_to_json(std::string(500'000, '[')));
}

TEST(YamlToJson, OfALongTextFails) {
  EXPECT_FALSE(yaml_to_json(std::string(kMaxYamlBytes + 1, '#')));
}

TEST(YamlToJson, OfAKeyThatIsAListFails) { EXPECT_FALSE(yaml_to_json("? [a]\n: 1\n")); }

}  // namespace
}  // namespace vibed
