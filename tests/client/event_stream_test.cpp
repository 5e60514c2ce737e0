#include "client/event_stream.hpp"

#include <gtest/gtest.h>

#include "client/app_view.hpp"

namespace vibed {
namespace {

std::vector<ServerEvent> read(const std::vector<std::string>& pieces) {
  EventStream stream;
  std::vector<ServerEvent> events;
  for (const auto& piece : pieces) {
    stream.feed(piece, [&](const ServerEvent& event) {
      events.push_back(event);
      return true;
    });
  }
  return events;
}

TEST(EventStream, ReadsEventsWhereverTheBytesAreCut) {
  const std::vector<ServerEvent> expected = {{"message", "one"}, {"error", "two"}};
  EXPECT_EQ(read({"data: one\n\nevent: error\ndata: two\n\n"}), expected);
  EXPECT_EQ(read({"da", "ta: on", "e\n", "\neven", "t: error\nda", "ta: two\n\n"}), expected);
  EXPECT_EQ(read({"data: one\r\n\r\nevent: error\r\ndata: two\r\n\r\n"}), expected);
}

TEST(EventStream, JoinsTheLinesOfOneEvent) {
  EXPECT_EQ(read({"data: a\ndata: b\n\n"}), (std::vector<ServerEvent>{{"message", "a\nb"}}));
}

TEST(EventStream, KeepsEmptyLinesAndLeadingSpaces) {
  EXPECT_EQ(read({"data: \n\ndata:   x\n\ndata:\n\n"}),
            (std::vector<ServerEvent>{{"message", ""}, {"message", "  x"}, {"message", ""}}));
}

TEST(EventStream, DropsCommentsAndWhatIsNotComplete) {
  EXPECT_TRUE(read({": beat\n\n", "id: 4\n\n", "data: unfinished\n"}).empty());
}

std::vector<std::string> pass(LineOverlap& overlap, const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  for (const auto& line : lines) {
    for (auto& fresh : overlap.next(line)) out.push_back(std::move(fresh));
  }
  for (auto& fresh : overlap.finish()) out.push_back(std::move(fresh));
  return out;
}

using Lines = std::vector<std::string>;

TEST(LineOverlap, PassesTheFirstConnectionThrough) {
  LineOverlap overlap;
  EXPECT_EQ(pass(overlap, {"a", "a", "b"}), (Lines{"a", "a", "b"}));
}

TEST(LineOverlap, DropsWhatTheSecondConnectionRepeats) {
  LineOverlap overlap;
  pass(overlap, {"a", "b", "c"});
  overlap.restart();
  EXPECT_EQ(pass(overlap, {"b", "c", "d"}), Lines{"d"});
}

TEST(LineOverlap, KeepsTheLinesOfAnotherRun) {
  LineOverlap overlap;
  pass(overlap, {"start", "x", "y"});
  overlap.restart();
  EXPECT_EQ(pass(overlap, {"start", "z"}), (Lines{"start", "z"}));
}

TEST(LineOverlap, OfEqualLinesTakesTheLongestRepetition) {
  LineOverlap overlap;
  pass(overlap, {"a", "a", "a"});
  overlap.restart();
  EXPECT_EQ(pass(overlap, {"a", "a", "a", "a"}), Lines{"a"});
}

TEST(AppView, OfAReadyAppIsSettled) {
  EXPECT_TRUE(view_app(R"({"phase":"Ready"})").settled);
  EXPECT_TRUE(view_app(R"({"phase":"Failed"})").settled);
  EXPECT_FALSE(view_app(R"({"phase":"Suspended"})").settled);
  EXPECT_FALSE(view_app(R"({"phase":"Starting"})").settled);
  EXPECT_FALSE(view_app(R"({"phase":""})").settled);
}

TEST(AppView, OfANewerGenerationOnItsWayIsNotSettled) {
  EXPECT_FALSE(view_app(R"({"phase":"Ready","generation":2,"observed_generation":1})").settled);
  EXPECT_TRUE(view_app(R"({"phase":"Ready","generation":2,"observed_generation":2})").settled);
}

TEST(AppView, OfANewerGenerationThatFailedTellsWhyItDid) {
  const AppView view = view_app(
      R"({"phase":"Ready","reason":"Running","generation":2,"observed_generation":1,
          "progressing":{"status":false,"reason":"AppExited","message":"code 3","generation":2}})");
  EXPECT_TRUE(view.settled);
  EXPECT_EQ(view.reason, "AppExited");
  EXPECT_EQ(view.message, "code 3");
}

TEST(AppView, OfAnOlderFailureIsNotSettled) {
  EXPECT_FALSE(view_app(R"({"phase":"Failed","generation":3,
                            "progressing":{"status":false,"generation":2}})")
                   .settled);
  EXPECT_FALSE(view_app(R"({"phase":"Starting","generation":3,
                            "progressing":{"status":true,"generation":3}})")
                   .settled);
}

TEST(AppView, OfAnythingElseIsEmpty) {
  EXPECT_EQ(view_app("[]").phase, "");
  EXPECT_EQ(view_app("{\"phase\":3}").phase, "");
  EXPECT_FALSE(view_app("no").settled);
}

}  // namespace
}  // namespace vibed
