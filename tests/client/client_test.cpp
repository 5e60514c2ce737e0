#include "vibed/client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "base/files.hpp"
#include "fetch/scripted_server.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

using std::chrono::seconds;
using testing::ok_answer;
using testing::Script;
using testing::ScriptedServer;
using testing::Seen;
using testing::TempDir;

Script answer(int status, const std::string& body) {
  return {"HTTP/1.1 " + std::to_string(status) +
          " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

std::unique_ptr<Client> client_of(const ScriptedServer& server) {
  return make_client({.url = server.url()});
}

TEST(Client, CallsAndReturnsTheBody) {
  ScriptedServer server([](const Seen& seen) { return Script{ok_answer(seen.head + seen.body)}; });
  auto got = make_client({.url = server.url() + "/", .token = "t0k"})
                 ->call("POST", "/v1/apps/x/suspend", "{}", {});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_TRUE(got->starts_with("POST /v1/apps/x/suspend HTTP/1.1")) << *got;
  EXPECT_NE(got->find("Authorization: Bearer t0k"), std::string::npos);
  EXPECT_NE(got->find("Content-Type: application/json"), std::string::npos);
  EXPECT_TRUE(got->ends_with("{}"));
}

TEST(Client, TurnsTheServersCodeIntoAnError) {
  ScriptedServer server([](const Seen&) {
    return answer(422, R"({"code":"unknown_template","message":"no template cobol"})");
  });
  auto got = client_of(server)->call("GET", "/v1/apps", "", {});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason, "unknown_template");
  EXPECT_EQ(got.error().code, Errc::invalid_argument);
  EXPECT_EQ(got.error().message, "no template cobol");
}

TEST(Client, SurvivesAnAnswerThatIsNotVibeds) {
  ScriptedServer server([](const Seen&) { return answer(404, R"({"code":7,"message":[]})"); });
  auto got = client_of(server)->call("GET", "/v1/apps", "", {});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Errc::not_found);
  EXPECT_EQ(got.error().message, "status 404");
}

TEST(Client, SaysThatNobodyAnswers) {
  std::string url;
  {
    ScriptedServer gone([](const Seen&) { return Script{}; });
    url = gone.url();
  }
  auto got = make_client({.url = url})->call("GET", "/v1/apps", "", {});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason, "unreachable");
  EXPECT_EQ(got.error().message, "no vibed answers at " + url);
}

// A folder with one file, and what the server was sent.
class DeployTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(write_file(folder_ / "index.html", "hello", Durability::unsynced));
  }

  Result<std::string> deploy(const ScriptedServer& server, seconds deadline = seconds(20)) {
    return client_of(server)->deploy(
        {.path = folder_.path(),
         .metadata_json = R"({"name":"my-app"})",
         .progress = [this](const DeployProgress& progress) { progress_.push_back(progress); }},
        deadline, {});
  }

  bool saw(DeployProgress::Stage stage) const {
    return std::any_of(progress_.begin(), progress_.end(),
                       [&](const auto& progress) { return progress.stage == stage; });
  }

  TempDir folder_;
  std::vector<DeployProgress> progress_;
};

TEST_F(DeployTest, UploadsTheFolderAndReturnsTheApp) {
  std::string posted;
  ScriptedServer server([&](const Seen& seen) {
    if (seen.head.starts_with("POST")) {
      posted = seen.head + seen.body;
      return answer(200, R"({"app_id":"my-app","url":"http://x"})");
    }
    return answer(200, R"({"app_id":"my-app","phase":"Ready","url":"http://x"})");
  });
  auto app = deploy(server);
  ASSERT_TRUE(app) << app.error().message;
  EXPECT_NE(app->find(R"("phase":"Ready")"), std::string::npos);
  EXPECT_TRUE(posted.starts_with("POST /v1/deploy HTTP/1.1"));
  EXPECT_NE(posted.find("name=\"metadata\"\r\nContent-Type: application/json\r\n\r\n"
                        "{\"name\":\"my-app\"}\r\n--"),
            std::string::npos);
  EXPECT_NE(posted.find("name=\"source\"; filename="), std::string::npos);
  EXPECT_NE(posted.find("\x1f\x8b"), std::string::npos);  // gzip
  EXPECT_TRUE(saw(DeployProgress::Stage::packing));
  EXPECT_TRUE(saw(DeployProgress::Stage::uploading));
  EXPECT_TRUE(saw(DeployProgress::Stage::waiting));
  EXPECT_EQ(progress_.back().phase, "Ready");
}

TEST_F(DeployTest, FollowsAnAppThatNeedsLongerUntilItIsReady) {
  std::atomic<int> gets = 0;
  ScriptedServer server([&](const Seen& seen) {
    if (seen.head.starts_with("POST")) return answer(202, R"({"app_id":"my-app"})");
    return ++gets < 3 ? answer(200, R"({"phase":"Starting","message":"go build"})")
                      : answer(200, R"({"phase":"Ready"})");
  });
  auto app = deploy(server);
  ASSERT_TRUE(app) << app.error().message;
  EXPECT_EQ(*app, R"({"phase":"Ready"})");
  EXPECT_EQ(gets, 3);
}

TEST_F(DeployTest, ReturnsAFailedAppWithItsReason) {
  ScriptedServer server([&](const Seen& seen) {
    if (seen.head.starts_with("POST")) return answer(202, R"({"app_id":"my-app"})");
    return answer(200, R"({"phase":"Failed","reason":"AppExited"})");
  });
  auto app = deploy(server);
  ASSERT_TRUE(app) << app.error().message;
  EXPECT_NE(app->find("AppExited"), std::string::npos);
}

TEST_F(DeployTest, GivesUpFollowingAtTheDeadline) {
  ScriptedServer server([&](const Seen& seen) {
    if (seen.head.starts_with("POST")) return answer(202, R"({"app_id":"my-app"})");
    return answer(200, R"({"phase":"Starting"})");
  });
  auto app = deploy(server, seconds(1));
  ASSERT_TRUE(app) << app.error().message;
  EXPECT_EQ(*app, R"({"phase":"Starting"})");
}

TEST_F(DeployTest, ReportsWhatHappensWhileTheServerHoldsTheAnswer) {
  std::atomic<int> looks = 0;
  ScriptedServer server([&](const Seen& seen) {
    if (!seen.head.starts_with("POST"))
      return answer(200, looks++ > 0 ? R"({"phase":"Ready"})" : R"({"phase":"Starting"})");
    Script held = answer(200, R"({"app_id":"my-app"})");
    held.before = [&] {
      while (looks < 2) std::this_thread::yield();  // who looks again has told what it saw first
    };
    return held;
  });
  ASSERT_TRUE(deploy(server));
  EXPECT_TRUE(std::any_of(progress_.begin(), progress_.end(),
                          [](const auto& progress) { return progress.phase == "Starting"; }));
}

TEST_F(DeployTest, IsMadeOnceMoreWhenTheServerIsRestarted) {
  std::atomic<int> posts = 0;
  std::string body;
  ScriptedServer server([&](const Seen& seen) {
    if (!seen.head.starts_with("POST")) return answer(200, R"({"phase":"Ready"})");
    if (++posts == 1) return Script{"", true};
    body = seen.body;
    return answer(200, R"({"app_id":"my-app"})");
  });
  auto app = deploy(server);
  ASSERT_TRUE(app) << app.error().message;
  EXPECT_EQ(*app, R"({"phase":"Ready"})");
  EXPECT_EQ(posts, 2);
  EXPECT_NE(body.find("\x1f\x8b"), std::string::npos) << "the source, from its beginning";
  EXPECT_TRUE(std::any_of(progress_.begin(), progress_.end(),
                          [](const auto& progress) { return progress.phase == "Waiting"; }));
}

TEST_F(DeployTest, IsNotMadeAThirdTime) {
  std::atomic<int> posts = 0;
  ScriptedServer server([&](const Seen& seen) {
    if (!seen.head.starts_with("POST")) return answer(200, "{}");
    ++posts;
    return Script{"", true};
  });
  auto app = deploy(server);
  ASSERT_FALSE(app);
  EXPECT_EQ(app.error().reason, "unreachable");
  EXPECT_EQ(posts, 2);
}

TEST_F(DeployTest, GoesOnFollowingWhenTheServerIsRestarted) {
  std::atomic<int> gets = 0;
  ScriptedServer server([&](const Seen& seen) {
    if (seen.head.starts_with("POST")) return answer(202, R"({"app_id":"my-app"})");
    if (seen.head.find("/healthz") != std::string::npos) return answer(200, "ok");
    if (++gets < 3) return Script{"", true};
    return answer(200, R"({"phase":"Ready"})");
  });
  auto app = deploy(server);
  ASSERT_TRUE(app) << app.error().message;
  EXPECT_EQ(*app, R"({"phase":"Ready"})");
}

TEST_F(DeployTest, ReturnsTheServersRefusal) {
  ScriptedServer server([&](const Seen&) {
    return answer(413, R"({"code":"payload_too_large","message":"too large"})");
  });
  auto app = deploy(server);
  ASSERT_FALSE(app);
  EXPECT_EQ(app.error().reason, "payload_too_large");
}

TEST_F(DeployTest, SendsAnArchiveAsItIs) {
  ASSERT_TRUE(write_file(folder_ / "a.tgz", "not really", Durability::unsynced));
  std::string body;
  ScriptedServer server([&](const Seen& seen) {
    if (seen.head.starts_with("POST")) body = seen.body;
    return answer(200, R"({"app_id":"a","phase":"Ready"})");
  });
  auto app = client_of(server)->deploy(
      {.path = folder_ / "a.tgz", .metadata_json = R"({"name":"a"})"}, seconds(5), {});
  ASSERT_TRUE(app) << app.error().message;
  EXPECT_NE(body.find("\r\n\r\nnot really\r\n--"), std::string::npos);
}

TEST_F(DeployTest, OfAMissingPathIsNotFound) {
  ScriptedServer server([&](const Seen&) { return Script{}; });
  auto app = client_of(server)->deploy(
      {.path = folder_ / "none", .metadata_json = R"({"name":"a"})"}, seconds(5), {});
  ASSERT_FALSE(app);
  EXPECT_EQ(app.error().code, Errc::not_found);
  EXPECT_EQ(server.connections(), 0);
}

Script events(const std::string& text) {
  return {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + text,
          true};
}

TEST(ClientLogs, GivesEachLine) {
  ScriptedServer server([](const Seen&) { return events(": hi\n\ndata: one\n\ndata: two\n\n"); });
  std::vector<std::string> lines;
  auto done = client_of(server)->logs("x", false,
                                      [&](std::string_view line) {
                                        lines.emplace_back(line);
                                        return true;
                                      },
                                      {});
  EXPECT_TRUE(done);
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two"}));
}

TEST(ClientLogs, FollowsOverReconnectsWithoutRepeatingALine) {
  std::atomic<int> connections = 0;
  ScriptedServer server([&](const Seen& seen) {
    EXPECT_NE(seen.head.find("/v1/apps/x/logs?follow=true"), std::string::npos);
    return ++connections == 1 ? events("data: one\n\ndata: two\n\n")
                              : events("data: one\n\ndata: two\n\ndata: three\n\n");
  });
  std::vector<std::string> lines;
  auto done = client_of(server)->logs("x", true,
                                      [&](std::string_view line) {
                                        lines.emplace_back(line);
                                        return line != "three";
                                      },
                                      {});
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "three"}));
}

TEST(ClientLogs, OfAnUnknownAppIsNotFound) {
  ScriptedServer server(
      [](const Seen&) { return answer(404, R"({"code":"not_found","message":"no app x"})"); });
  auto done = client_of(server)->logs("x", true, [](std::string_view) { return true; }, {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().reason, "not_found");
  EXPECT_EQ(done.error().message, "no app x");
}

TEST(ClientLogs, TellsAnErrorThatCameInTheStream) {
  ScriptedServer server(
      [](const Seen&) { return events("event: error\ndata: app has no sandbox\n\n"); });
  auto done = client_of(server)->logs("x", false, [](std::string_view) { return true; }, {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "app has no sandbox");
}

TEST(ClientLogs, AStopEndsFollowing) {
  std::stop_source stop;
  ScriptedServer server([&](const Seen&) {
    return Script{"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ndata: one\n\n"};
  });
  auto done = client_of(server)->logs(
      "x", true,
      [&](std::string_view) {
        stop.request_stop();
        return true;
      },
      stop.get_token());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::cancelled);
}

TEST(ClientLogs, CannotBeLedToAnotherPath) {
  std::string head;
  ScriptedServer server([&](const Seen& seen) {
    head = seen.head;
    return events("");
  });
  EXPECT_TRUE(client_of(server)->logs("../x?y", false, [](std::string_view) { return true; }, {}));
  EXPECT_TRUE(head.starts_with("GET /v1/apps/%2E%2E%2Fx%3Fy/logs ")) << head;
}

}  // namespace
}  // namespace vibed
