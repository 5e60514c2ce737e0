#include "api/waiting_room.hpp"

#include "api/waiting_page.hpp"
#include "api_fixture.hpp"
#include "base/error_codes.hpp"

namespace vibed::api {
namespace {

// Over stores alone: the states are written as the lifecycle would.
class WaitingRoom : public ::testing::Test {
 protected:
  WaitingRoom() {
    App app;
    app.name = "app";
    app.spec.owner = "admin";
    app_ = *apps_->create(app);
    auto started = http::start_server("unix:" + (dir_ / "room.sock"), make_waiting_room(service_));
    server_ = *std::move(started);
  }

  void write(Phase phase, const std::string& reason = "", const std::string& message = "",
             std::int64_t serving = 0) {
    AppStatus status;
    status.observed_generation = serving;
    status.phase = phase;
    set_condition(status, {"Ready", phase == Phase::ready, reason, message, {}, 1}, {});
    ASSERT_TRUE(apps_->write_status("app", app_.uid, status));
  }

  RawAnswer visit(const std::string& host, const std::string& accept = "*/*",
                  const std::string& line = "GET /some/path?q=1") {
    RawClient client(server_->address());
    client.send(line + " HTTP/1.1\r\nHost: " + host + "\r\nAccept: " + accept + "\r\n\r\n");
    return client.answer(line.starts_with("HEAD"));
  }
  RawAnswer visit_app(const std::string& accept = "*/*") {
    return visit(label() + ".localhost:18080", accept);
  }
  std::string label() const { return app_label("vibed-apps", "app"); }
  static Json json(const RawAnswer& answer) { return Json::parse(answer.body, nullptr, false); }

  testing::TempDir dir_;
  std::unique_ptr<AppStore> apps_ = make_memory_app_store("vibed-apps");
  std::unique_ptr<SourceStore> sources_ = make_memory_source_store();
  std::unique_ptr<sandbox::MemoryPool> pool_ = sandbox::make_memory_sandbox_pool();
  Service service_{*apps_, *sources_, *pool_, "vibed-apps"};
  App app_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(WaitingRoom, WhatIsNoLabelOrNoAppIs404) {
  for (const std::string& host :
       {std::string("localhost:18080"), std::string("short.localhost"),
        std::string("aaaaaaaaaaaa.localhost"), std::string("aaaaaaaaaaaaa.localhost"),
        std::string("../../../../x.localhost"), std::string("aaaaaaaaaaa%.localhost"), label()}) {
    auto answer = visit(host);
    EXPECT_TRUE(answer.status == 404 || answer.status == 400) << host;
  }
  auto answer = visit("aaaaaaaaaaaa.localhost");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(json(answer)["code"], "not_found");
}

TEST_F(WaitingRoom, AnAppOnItsWayIs503AndToBeRetried) {
  for (Phase phase :
       {Phase::none, Phase::pending, Phase::claiming, Phase::starting, Phase::ready}) {
    write(phase, "Starting", "waiting for the app to listen");
    auto answer = visit_app();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(json(answer)["code"], "app_starting");
    EXPECT_NE(answer.head.find("Retry-After: 1\r\n"), std::string::npos);
    EXPECT_NE(answer.head.find("Cache-Control: no-store\r\n"), std::string::npos);
    auto page = visit_app("text/html,application/xhtml+xml,*/*;q=0.8");
    EXPECT_EQ(page.status, 503);
    EXPECT_NE(page.body.find("http-equiv=\"refresh\""), std::string::npos);
  }
}

TEST_F(WaitingRoom, AnEdgeThatAsksIsToldWhereTheSandboxOfAReadyAppIs) {
  const auto told = [&](const std::string& ask = "\r\nX-Vibed-Find-Upstream: 1") {
    const std::string head = visit_app("*/*" + ask).head;
    const std::string field = "\r\nX-Vibed-Upstream: ";
    const std::size_t at = head.find(field);
    if (at == head.npos) return std::string();
    const std::size_t begin = at + field.size();
    return head.substr(begin, head.find("\r\n", begin) - begin);
  };
  write(Phase::ready);
  EXPECT_EQ(told(), "") << "it has no sandbox";
  auto first = *pool_->claim({"app", app_.uid, label(), 1, "static-nginx"});
  EXPECT_EQ(told(), "") << "none of the generation that serves";
  write(Phase::ready, "", "", 1);
  EXPECT_EQ(told(), first.address);
  auto second = *pool_->claim({"app", app_.uid, label(), 2, "static-nginx"});
  EXPECT_EQ(told(), first.address);
  ASSERT_TRUE(pool_->inject(second.id, {"source", "", {}}));
  pool_->finish(second.id, {});
  ASSERT_TRUE(pool_->expose(label(), second.id));
  EXPECT_EQ(told(), second.address) << "the record is behind";
  EXPECT_EQ(told(""), "") << "a visitor";
  write(Phase::starting, "", "", 1);
  EXPECT_EQ(told(), "");
}

TEST_F(WaitingRoom, ASuspendedAppIs503WithoutRefresh) {
  ASSERT_TRUE(service_.suspend({}, "app"));
  auto answer = visit_app();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(json(answer)["code"], "app_suspended");
  EXPECT_NE(answer.head.find("Retry-After: 60\r\n"), std::string::npos);
  EXPECT_EQ(visit_app("text/html").body.find("http-equiv"), std::string::npos);
}

TEST_F(WaitingRoom, AFailedAppIs502WithTheReasonButNotItsLog) {
  write(Phase::failed, "AppExited", "the app <exited> with status 1\nsecret=hunter2");
  auto answer = visit_app();
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(json(answer)["code"], "app_failed");
  EXPECT_EQ(json(answer)["reason"], "AppExited");
  EXPECT_EQ(json(answer)["message"], "the app <exited> with status 1");
  auto page = visit_app("text/html");
  EXPECT_NE(page.body.find("the app &lt;exited&gt; with status 1"), std::string::npos);
  EXPECT_EQ((answer.body + page.body).find("hunter2"), std::string::npos);
}

TEST_F(WaitingRoom, ARemovedAppIs404) {
  ASSERT_TRUE(apps_->remove("app"));
  EXPECT_EQ(visit_app().status, 404);
}

TEST_F(WaitingRoom, AnyMethodAndPathIsAnsweredAndNoBodyIsRead) {
  write(Phase::starting);
  for (const char* line : {"HEAD /", "POST /", "DELETE /a/b/", "BREW /x%20y", "OPTIONS //"}) {
    EXPECT_EQ(visit(label() + ".localhost", "*/*", line).status, 503) << line;
  }
  RawClient client(server_->address());
  std::string body(5'000'000, 'x');
  client.send("POST /upload HTTP/1.1\r\nHost: " + label() +
              ".localhost\r\nContent-Length: 5000000\r\n\r\n" + body);
  EXPECT_EQ(client.answer().status, 503);
}

TEST_F(WaitingRoom, ThePageNeedsNothingFromElsewhere) {
  write(Phase::starting);
  auto page = visit_app("text/html");
  EXPECT_NE(page.head.find("Content-Type: text/html; charset=utf-8\r\n"), std::string::npos);
  EXPECT_NE(page.head.find("Content-Security-Policy: default-src 'none'"), std::string::npos);
  for (const char* word : {"http://", "https://", "src=", "<script", "@import", "url("}) {
    EXPECT_EQ(page.body.find(word), std::string::npos) << word;
  }
}

TEST(WaitingPage, HtmlIsForThoseWhoNameItFirst) {
  EXPECT_TRUE(prefers_html("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
  EXPECT_TRUE(prefers_html("text/html, application/json"));
  EXPECT_FALSE(prefers_html("application/json, text/html"));
  EXPECT_FALSE(prefers_html("application/json"));
  EXPECT_FALSE(prefers_html("*/*"));
  EXPECT_FALSE(prefers_html(""));
}

TEST(WaitingPage, EveryCodeIsAWordOfTheTable) {
  for (const char* word : {"app_starting", "app_suspended", "app_failed", "not_found"}) {
    EXPECT_EQ(make_error(word, "").reason, word);
  }
}

}  // namespace
}  // namespace vibed::api
