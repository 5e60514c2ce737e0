// A command that is started before there is an app, in the real agent in a real sandbox.
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/agent_harness.hpp"

namespace vibed::agent {
namespace {

using nlohmann::json;

const std::string kServer = "python3 -u -m http.server 8080 --bind 127.0.0.1";
const Headers kParked = {
    {"VIBED_AGENT_PARKED", R"(["python3","-u","-m","http.server","8080","--bind","127.0.0.1"])"}};

class ParkedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!AgentSandbox::possible()) GTEST_SKIP() << "bubblewrap does not work here";
  }

  static json last_line(Exchange stream) {
    json last;
    while (auto line = stream.line()) last = json::parse(*line);
    return last;
  }

  static std::vector<std::string> log_lines(const AgentSandbox& sandbox) {
    return json::parse(sandbox.call("GET", "/logs").rest())["lines"];
  }

  // Until the parked server has said that it serves: what it prints before that is buffered
  // nowhere.
  static void await_server(const AgentSandbox& sandbox) {
    Exchange logs =
        sandbox.call("GET", "/logs?lines=10&follow=1", {{"Accept", "application/x-ndjson"}});
    while (auto line = logs.line()) {
      if (line->find("Serving HTTP") != std::string::npos) return;
    }
    FAIL() << "the parked server never started";
  }
};

TEST_F(ParkedTest, IsTakenForTheAppWhenThePlanIsTheSameCommand) {
  AgentSandbox sandbox(kParked);
  await_server(sandbox);
  EXPECT_EQ(sandbox.call("GET", "/events").json_line()["state"], "idle") << "it is no app yet";
  EXPECT_EQ(sandbox.app("GET", "/page.txt").status(), 503) << "and nobody is let in";

  json last = last_line(
      sandbox.push({{"page.txt", "hello"}}, {{"generation", 3}, {"entrypoint", kServer}}));
  EXPECT_EQ(last, (json{{"event", "listening"}, {"port", 8080}, {"address", "127.0.0.1"}}));
  EXPECT_EQ(sandbox.app("GET", "/page.txt").rest(), "hello");
  json state = sandbox.call("GET", "/events").json_line();
  EXPECT_EQ(state["state"], "listening");
  EXPECT_EQ(state["generation"], 3);
  EXPECT_GT(state["pid"], 0);
  std::vector<std::string> lines = log_lines(sandbox);
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const auto& line) { return line.starts_with("Serving HTTP"); }),
            1)
      << "it was started once, before there was an app";
}

TEST_F(ParkedTest, EndsWhenAnotherCommandIsTheApp) {
  AgentSandbox sandbox(kParked);
  await_server(sandbox);
  json last = last_line(sandbox.push({{"app.py", python_server()}},
                                     {{"generation", 1}, {"entrypoint", "python3 app.py"}}));
  EXPECT_EQ(last["event"], "listening") << "the port is free again: " << last;
  EXPECT_EQ(sandbox.app("GET", "/hello").rest(), "GET /hello 0");
}

TEST_F(ParkedTest, EndsWhenTheAppIsToldAnotherPort) {
  AgentSandbox sandbox(kParked);
  await_server(sandbox);
  json last = last_line(sandbox.push({{"page.txt", "hello"}},
                                     {{"generation", 1}, {"entrypoint", kServer}, {"port", 9000}}));
  EXPECT_EQ(last["event"], "listening") << last;
  std::vector<std::string> lines = log_lines(sandbox);
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const auto& line) { return line.starts_with("Serving HTTP"); }),
            2);
}

TEST_F(ParkedTest, EndsWhenTheInjectionFails) {
  AgentSandbox sandbox(kParked);
  await_server(sandbox);
  Exchange answer = sandbox.push_bytes("no archive", {{"generation", 1}, {"entrypoint", kServer}});
  json last = last_line(std::move(answer));
  EXPECT_EQ(last["event"], "failed");
  json state = sandbox.call("GET", "/events").json_line();
  EXPECT_EQ(state["reason"], "InjectFailed");
  EXPECT_EQ(state["pid"], 0) << "and nothing runs that could be reached";
}

TEST_F(ParkedTest, ThatHasEndedIsStartedLikeAnyOther) {
  AgentSandbox sandbox(Headers{{"VIBED_AGENT_PARKED", R"(["false"])"}});
  json last = last_line(
      sandbox.push({{"page.txt", "hello"}}, {{"generation", 1}, {"entrypoint", kServer}}));
  EXPECT_EQ(last["event"], "listening");
  EXPECT_EQ(sandbox.app("GET", "/page.txt").rest(), "hello");
}

}  // namespace
}  // namespace vibed::agent
