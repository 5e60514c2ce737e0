// Template validation, every case.
#include "claims/validation.hpp"

#include <gtest/gtest.h>

namespace vibed::claims {
namespace {

using namespace std::chrono_literals;

const AgentInfo kGood{"2", "node", "node --version", true, "v24.1.0\n"};

TEST(Validation, ReadsWhatAnAgentSays) {
  auto info = read_agent_info(R"({"agentContract":"2","language":"node","runtimeProbe":"node -v",
                                  "runtimeProbeOK":true,"runtimeProbeOutput":"v24"})");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->contract, "2");
  EXPECT_EQ(info->language, "node");
  EXPECT_EQ(info->probe, "node -v");
  EXPECT_TRUE(info->probe_ok);
  EXPECT_EQ(info->probe_output, "v24");
  EXPECT_FALSE(read_agent_info("<html>"));
  EXPECT_FALSE(read_agent_info("[]"));
  auto odd = read_agent_info(R"({"agentContract":2,"runtimeProbeOK":"yes"})");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->contract, "");
  EXPECT_FALSE(odd->probe_ok);
}

TEST(Validation, AGoodImageHasNoFault) {
  EXPECT_EQ(fault_of("node-24", kGood), "");
  EXPECT_EQ(fault_of("ruby-4", kGood), "") << "other templates may say what they like";
  AgentInfo newer = kGood;
  newer.contract = "11";
  EXPECT_EQ(fault_of("node-24", newer), "");
}

TEST(Validation, EachFaultHasItsWords) {
  const auto fault = [](const std::function<void(AgentInfo&)>& spoil) {
    AgentInfo info = kGood;
    spoil(info);
    return fault_of("node-24", info);
  };
  EXPECT_EQ(fault([](auto& i) { i.contract = "1"; }), "its agent speaks contract 1, vibed needs 2");
  EXPECT_EQ(fault([](auto& i) { i.contract = ""; }),
            "its agent speaks contract none, vibed needs 2");
  EXPECT_EQ(fault([](auto& i) { i.contract = "two"; }),
            "its agent speaks contract two, vibed needs 2");
  EXPECT_EQ(fault([](auto& i) { i.language = "python"; }), "its image is for python, not node");
  EXPECT_EQ(fault([](auto& i) { i.language = ""; }), "its image is for nothing, not node");
  EXPECT_EQ(fault([](auto& i) { i.probe = ""; }),
            "its image does not say how to see its runtime (VIBED_RUNTIME_PROBE)");
  EXPECT_EQ(fault([](auto& i) {
              i.probe_ok = false;
              i.probe_output = "sh: node: not found\nsecond line";
            }),
            "its runtime does not run: node --version: sh: node: not found");
}

TEST(Validation, TheLastWordCountsAndAskingAgainTakesLongerAndLonger) {
  Validation validation;
  EXPECT_EQ(validation.why_closed("node-24"), "");
  const Time start{};
  std::vector<std::chrono::seconds> waits;
  for (int i = 0; i < 7; ++i) {
    validation.note_bad("node-24", "broken", start);
    waits.push_back(std::chrono::duration_cast<std::chrono::seconds>(
        validation.ask_again_at("node-24") - start));
  }
  EXPECT_EQ(waits, (std::vector<std::chrono::seconds>{2s, 4s, 8s, 16s, 32s, 60s, 60s}));
  EXPECT_EQ(validation.why_closed("node-24"), "broken");
  EXPECT_EQ(validation.why_closed("python-313"), "") << "no other template is closed";
  validation.note_good("node-24", "v24.1.0\nmore");
  EXPECT_EQ(validation.why_closed("node-24"), "");
  EXPECT_EQ(validation.runtime_version("node-24"), "v24.1.0");
  validation.note_bad("node-24", "broken again", start);
  EXPECT_EQ(validation.ask_again_at("node-24"), start + 2s);
  EXPECT_EQ(validation.runtime_version("node-24"), "");
}

}  // namespace
}  // namespace vibed::claims
