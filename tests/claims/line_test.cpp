// Whose turn it is when there is not room for all.
#include "claims/line.hpp"

#include <gtest/gtest.h>

#include <random>

namespace vibed::claims {
namespace {

SandboxRequest request(const std::string& owner, int number,
                       const std::string& template_name = "node-24") {
  const std::string app = owner + "-" + std::to_string(number);
  return {app, "uid-" + app, "label-" + app, 1, template_name, owner};
}

std::string next(Line& line, const Booting& booting = {}) {
  auto turn = line.next("node-24", booting);
  return turn ? turn->app : "";
}

TEST(LineTest, AnOwnersOwnRequestsGoInTheOrderTheyCame) {
  Line line;
  for (int i : {3, 1, 2}) line.add(request("a", i));
  EXPECT_EQ(next(line), "a-3");
  EXPECT_EQ(next(line), "a-1");
  EXPECT_EQ(next(line), "a-2");
  EXPECT_EQ(next(line), "");
  EXPECT_TRUE(line.empty());
}

TEST(LineTest, OwnersTakeTurnsHoweverManyTheirRequestsAre) {
  Line line;
  for (int i = 0; i < 4; ++i) line.add(request("a", i));
  line.add(request("b", 0));
  line.add(request("c", 0));
  std::vector<std::string> order;
  while (!line.empty()) order.push_back(next(line));
  EXPECT_EQ(order, (std::vector<std::string>{"a-0", "b-0", "c-0", "a-1", "a-2", "a-3"}));
}

TEST(LineTest, WhoHasFewestBootingIsFirst) {
  Line line;
  for (int i = 0; i < 3; ++i) line.add(request("a", i));
  for (int i = 0; i < 3; ++i) line.add(request("b", i));
  EXPECT_EQ(next(line, {{"a", 2}, {"b", 1}}), "b-0");
  EXPECT_EQ(next(line, {{"a", 2}}), "b-1");
  EXPECT_EQ(next(line, {{"a", 1}, {"b", 3}}), "a-0");
}

TEST(LineTest, WhoComesAgainAtOnceDoesNotOvertake) {
  Line line;
  for (int i = 0; i < 10; ++i) line.add(request("many", i));
  int turns_of_many = 0;
  for (int i = 0; i < 10; ++i) {
    line.add(request("eager", i));
    for (int turn = 0; turn < 2; ++turn) turns_of_many += next(line).starts_with("many") ? 1 : 0;
  }
  EXPECT_EQ(turns_of_many, 10);
}

TEST(LineTest, EveryTemplateHasALineOfItsOwn) {
  Line line;
  line.add(request("a", 0, "python-313"));
  EXPECT_EQ(next(line), "");
  EXPECT_TRUE(line.empty("node-24"));
  EXPECT_FALSE(line.empty());
  EXPECT_EQ(line.templates(), std::vector<std::string>{"python-313"});
  EXPECT_TRUE(line.next("python-313", {}));
  EXPECT_TRUE(line.templates().empty());
}

TEST(LineTest, NobodyStandsInItTwice) {
  Line line;
  line.add(request("a", 0));
  line.add(request("a", 0));
  EXPECT_EQ(line.count("node-24"), 1);
  auto newer = request("a", 0);
  newer.generation = 2;
  line.add(newer);
  EXPECT_EQ(line.count("node-24"), 2);
  EXPECT_TRUE(line.contains("uid-a-0", 1));
  EXPECT_TRUE(line.contains("uid-a-0", 2));
  EXPECT_FALSE(line.contains("uid-a-0", 3));
}

TEST(LineTest, TheyAreSandboxesThatArePendingAndSayWhy) {
  Line line;
  const Sandbox first = line.add(request("a", 0));
  EXPECT_EQ(first.phase, SandboxPhase::pending);
  EXPECT_NE(first.message.find("in line"), std::string::npos) << first.message;
  EXPECT_FALSE(first.reason.empty());
  const Sandbox second = line.add(request("b", 0));
  EXPECT_EQ(line.view("uid-a-0").front().message, first.message)
      << "who comes changes nothing for who waits: each change is a write of a record";
  EXPECT_NE(first.id, second.id);
  ASSERT_EQ(line.view().size(), 2U);
  ASSERT_EQ(line.view("uid-b-0").size(), 1U);
  const Sandbox seen = line.view("uid-b-0").front();
  EXPECT_EQ(seen.id, second.id);
  EXPECT_EQ(seen.app, "b-0");
  EXPECT_EQ(seen.app_uid, "uid-b-0");
  EXPECT_EQ(seen.generation, 1);
  EXPECT_EQ(seen.template_name, "node-24");
}

TEST(LineTest, WhoLeavesIsNotCalled) {
  Line line;
  line.add(request("a", 0));
  const Sandbox going = line.add(request("a", 1));
  line.add(request("a", 2));
  EXPECT_TRUE(line.remove(going.id));
  EXPECT_FALSE(line.remove(going.id));
  EXPECT_FALSE(line.remove("app-label-1234"));
  EXPECT_EQ(next(line), "a-0");
  EXPECT_EQ(next(line), "a-2");
  EXPECT_TRUE(line.empty());
}

// However the others push: between two turns of somebody who waits, no other owner has more than
// one where nothing is booting.
TEST(LineTest, NobodyWaitsLongerThanOneTurnOfEveryOtherOwner) {
  std::mt19937 dice(7);
  for (int round = 0; round < 200; ++round) {
    Line line;
    const int owners = 2 + static_cast<int>(dice() % 6);
    std::vector<int> sent(static_cast<std::size_t>(owners));
    auto arrive = [&](int owner) {
      line.add(request(std::to_string(owner), sent[static_cast<std::size_t>(owner)]++));
    };
    arrive(0);
    int waited = 0;
    for (int turn = 0; turn < 60; ++turn) {
      for (int i = 0; i < 3; ++i)
        arrive(1 + static_cast<int>(dice() % static_cast<unsigned>(owners - 1)));
      const std::string app = next(line);
      if (app.starts_with("0-")) {
        waited = 0;
        arrive(0);
      } else {
        EXPECT_LT(++waited, owners);
      }
    }
  }
}

}  // namespace
}  // namespace vibed::claims
