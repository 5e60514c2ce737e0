#include "template/local_yaml.hpp"

#include <gtest/gtest.h>

namespace vibed::templates {
namespace {

const std::string kHead = "lane: general\nlanguage: node\n";

std::string failure(const std::string& text) {
  auto local = parse_local_yaml(text);
  return local ? "(no failure)" : local.error().message;
}

TEST(LocalYaml, IsReadWithAllItsKeys) {
  auto local = parse_local_yaml(kHead + R"(
description: Node
size: 3
memory: 128Mi
env: {A: b}
parked: [node, "-e", x y]
runtimes:
  - name: node
    candidates: [node]
    ask: [-v]
    answers: [version]
    program: /usr/bin/node
    minimum: "18"
    install: install it
    optional: true
)");
  ASSERT_TRUE(local) << local.error().message;
  EXPECT_EQ(local->size, 3);
  EXPECT_EQ(local->memory, 128 * 1024 * 1024);
  EXPECT_EQ(local->env.at("A"), "b");
  EXPECT_EQ(local->parked, (std::vector<std::string>{"node", "-e", "x y"}));
  ASSERT_EQ(local->runtimes.size(), 1U);
  EXPECT_EQ(local->runtimes[0].candidates, std::vector<std::string>{"node"});
  EXPECT_TRUE(local->runtimes[0].optional);
}

TEST(LocalYaml, OfAnUnknownKeyNamesIt) {
  EXPECT_EQ(failure(kHead + "lnae: fast\n"), "unknown key lnae");
  EXPECT_EQ(failure(kHead + "runtimes: [{from: x, nmae: y}]\n"), "unknown key runtimes.nmae");
}

TEST(LocalYaml, OfAWrongValueNamesTheKey) {
  EXPECT_EQ(failure(kHead + "size: many\n"), "size has a wrong value");
  EXPECT_EQ(failure(kHead + "size: -1\n"), "size has a wrong value");
  EXPECT_EQ(failure(kHead + "memory: lots\n"), "memory has a wrong value");
  EXPECT_EQ(failure(kHead + "env: {A: 1}\n"), "env has a wrong value");
  EXPECT_EQ(failure("lane: slow\nlanguage: x\n"), "lane must be fast or general");
  EXPECT_EQ(failure("[]"), "must be a mapping");
}

TEST(LocalYaml, OfARuntimeThatCannotBeFoundSaysWhatIsMissing) {
  EXPECT_EQ(failure(kHead + "runtimes: [{name: node, candidates: [node], answers: [program]}]\n"),
            "a runtime needs name, candidates, minimum and the answer version");
  EXPECT_EQ(failure(kHead + "runtimes: [{name: n, candidates: [n], minimum: '1', "
                            "answers: [version, colour]}]\n"),
            "answers are program, version, folder or env.<NAME>");
}

}  // namespace
}  // namespace vibed::templates
