// A Caddy that somebody else runs, kept configured.
#include "route/edge.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/files.hpp"
#include "fetch/scripted_server.hpp"
#include "fetch/tls_server.hpp"
#include "process/spawn.hpp"
#include "route/caddies.hpp"
#include "route/listen_address.hpp"
#include "support/temp_dir.hpp"

namespace vibed::route {
namespace {

using testing::ask;
using testing::ok_answer;
using testing::Script;
using testing::ScriptedServer;
using testing::Seen;

class EdgeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    NEEDS_CADDY(program_);
    std::filesystem::create_directories(run_);
    ASSERT_TRUE(
        write_file(run_ + "/bootstrap.json", edge_bootstrap(run_).dump(), Durability::unsynced));
    start_caddy();
  }

  void start_caddy() {
    SpawnOptions options;
    options.argv = {program_, "run", "--config", run_ + "/bootstrap.json"};
    options.env = {{"HOME=" + run_, "XDG_CONFIG_HOME=" + run_, "XDG_DATA_HOME=" + run_}};
    options.stderr_fd = log_.get();
    auto spawned = spawn(options);
    ASSERT_TRUE(spawned) << spawned.error().message;
    caddy_ = *std::move(spawned);
  }

  void TearDown() override {
    if (!caddy_) return;
    (void)caddy_->signal(SIGKILL);
    (void)caddy_->reap();
  }

  void end_caddy() {
    (void)caddy_->signal(SIGKILL);
    (void)caddy_->reap();
    caddy_.reset();
    std::filesystem::remove(run_ + "/caddy-admin.sock");
  }

  // Apps are at a port of this machine; an app's label is a name of the machine then.
  FrontDoorPlan plan(const ScriptedServer& app, const ScriptedServer& room) {
    FrontDoorPlan plan;
    plan.listen = address_;
    plan.domain = "apps.test";
    plan.run = run_;
    plan.version = {2, 11, 0};
    plan.upstream = "{label}:" + port_of(app);
    plan.waiting_room = "127.0.0.1:" + port_of(room);
    plan.try_duration = "300ms";
    return plan;
  }

  std::unique_ptr<Edge> start(const FrontDoorPlan& plan) {
    auto edge = Edge::start({.plan = plan, .look = std::chrono::milliseconds(20)});
    EXPECT_TRUE(edge) << edge.error().message;
    return edge ? *std::move(edge) : nullptr;
  }

  static std::string port_of(const ScriptedServer& server) {
    return server.url().substr(server.url().rfind(':') + 1);
  }

  static bool until(const std::function<bool()>& true_now) {
    for (int i = 0; i < 1000; ++i) {
      if (true_now()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  const std::string program_ = testing::caddy_program({"2.11"});
  testing::TempDir data_;
  const std::string run_ = data_ / "run";
  const std::string address_ = to_string(*claim_port(*parse_listen("127.0.0.1:0")));
  Fd log_{::open((data_ / "caddy.log").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
  std::optional<Process> caddy_;
};

TEST_F(EdgeTest, LeadsEveryLabelToItsService) {
  ScriptedServer app([](const Seen& seen) { return Script{ok_answer("app " + seen.head)}; });
  ScriptedServer room([](const Seen&) { return Script{ok_answer("room")}; });
  auto edge = start(plan(app, room));
  ASSERT_TRUE(until([&] { return edge->condition().serving; })) << edge->condition().message;
  auto answer = ask(address_, "localhost.apps.test", {.url = "/a?b"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->body.starts_with("app GET /a?b ")) << answer->body;
  EXPECT_EQ(ask(address_, "apps.test")->status, 421);
}

TEST_F(EdgeTest, SendsToTheWaitingRoomWhatNobodyTakes) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; });
  ScriptedServer room([](const Seen& seen) { return Script{ok_answer(seen.head + seen.body)}; });
  auto edge = start(plan(app, room));
  ASSERT_TRUE(until([&] { return edge->condition().serving; }));
  auto answer = ask(address_, "no-such-app.apps.test", {.method = "POST", .body = "hello"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->body.starts_with("GET /upstream ")) << answer->body;
  EXPECT_TRUE(answer->body.ends_with("\r\n\r\n")) << answer->body;
  for (const char* line : {"X-Vibed-App: no-such-app\r\n", "X-Vibed-Original-Method: POST\r\n"})
    EXPECT_NE(answer->body.find(line), std::string::npos) << line << answer->body;
}

// The waiting room's answer to an edge that asks where an app is.
std::string found_at(const std::string& address) {
  return "HTTP/1.1 503 Service Unavailable\r\nX-Vibed-Upstream: " + address +
         "\r\nContent-Length: 4\r\n\r\npage";
}

bool finds(const Seen& seen) {
  return seen.head.find("X-Vibed-Find-Upstream: 1\r\n") != std::string::npos;
}

// In both layouts: in one the Service does not know its pod yet, in the other there is no route.
TEST_F(EdgeTest, TakesARequestToWhereTheWaitingRoomSaysTheAppIs) {
  ScriptedServer app([](const Seen& seen) { return Script{ok_answer(seen.head + seen.body)}; });
  ScriptedServer room([&](const Seen& seen) {
    return Script{finds(seen) ? found_at("127.0.0.1:" + port_of(app)) : ok_answer("page")};
  });
  for (const Layout layout : {Layout::wildcard, Layout::per_app}) {
    FrontDoorPlan of_layout = plan(app, room);
    of_layout.layout = layout;
    auto edge = start(of_layout);
    ASSERT_TRUE(until([&] { return edge->condition().serving; }));
    auto answer =
        ask(address_, "new.apps.test", {.method = "POST", .url = "/a%2f?b=c", .body = "hello"});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_TRUE(answer->body.starts_with("POST /a%2f?b=c ")) << answer->body;
    EXPECT_TRUE(answer->body.ends_with("hello")) << answer->body;
    EXPECT_EQ(answer->body.find("X-Vibed"), std::string::npos) << answer->body;
    EXPECT_EQ(answer->header("X-Vibed-Upstream"), "");
  }
}

// A node that has not heard of a Service has no rule that refuses what goes there.
TEST_F(EdgeTest, DoesNotWaitForAServiceThatSaysNothing) {
  testing::Bound silent = testing::bind_to_loopback();
  ASSERT_EQ(::listen(silent.fd.get(), 0), 0);
  std::vector<Fd> queue;  // nobody accepts: when it is full, the kernel drops who comes
  for (int i = 0; i < 4; ++i) {
    queue.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(static_cast<std::uint16_t>(silent.port));
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)::connect(queue.back().get(), reinterpret_cast<sockaddr*>(&peer), sizeof peer);
  }
  ScriptedServer app([](const Seen& seen) { return Script{ok_answer("app " + seen.body)}; });
  ScriptedServer room([&](const Seen& seen) {
    return Script{finds(seen) ? found_at("127.0.0.1:" + port_of(app)) : ok_answer("page")};
  });
  FrontDoorPlan unheard = plan(app, room);
  unheard.upstream = "{label}:" + std::to_string(silent.port);
  auto edge = start(unheard);
  ASSERT_TRUE(until([&] { return edge->condition().serving; }));
  auto answer = ask(address_, "localhost.apps.test", {.method = "POST", .body = "hello"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "app hello");
}

TEST_F(EdgeTest, BelievesNoVisitorWhoSaysWhereAnAppIs) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; });
  ScriptedServer room([](const Seen& seen) { return Script{ok_answer(seen.head)}; });
  auto edge = start(plan(app, room));
  ASSERT_TRUE(until([&] { return edge->condition().serving; }));
  auto answer = ask(address_, "no-such-app.apps.test",
                    {.headers = {{"X-Vibed-Upstream", "127.0.0.1:" + port_of(app)}}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->body.starts_with("GET /upstream ")) << answer->body;
  EXPECT_EQ(answer->body.find("X-Vibed-Upstream"), std::string::npos) << answer->body;
}

TEST_F(EdgeTest, ShowsTheWaitingRoomWhenTheAppIsNotWhereItShouldBe) {
  const std::string nobody = to_string(*claim_port(*parse_listen("127.0.0.1:0")));
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; });
  ScriptedServer room([&](const Seen& seen) {
    return Script{finds(seen) ? found_at(nobody) : ok_answer("page of " + seen.head + seen.body)};
  });
  auto edge = start(plan(app, room));
  ASSERT_TRUE(until([&] { return edge->condition().serving; }));
  auto answer = ask(address_, "no-such-app.apps.test", {.method = "POST", .body = "hello"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->body.starts_with("page of POST / ")) << answer->body;
  EXPECT_TRUE(answer->body.ends_with("hello")) << answer->body;
}

TEST_F(EdgeTest, TriesTheServiceAgainWhileThereIsNoWaitingRoom) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; });
  testing::Bound late = testing::bind_to_loopback();
  FrontDoorPlan alone = plan(app, app);
  alone.upstream = "{label}:" + std::to_string(late.port);
  alone.waiting_room = to_string(*claim_port(*parse_listen("127.0.0.1:0")));
  alone.try_duration = "20s";
  auto edge = start(alone);
  ASSERT_TRUE(until([&] { return edge->condition().serving; }));
  std::unique_ptr<ScriptedServer> service;
  std::thread starts([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    service = std::make_unique<ScriptedServer>(
        [](const Seen& seen) { return Script{ok_answer("late " + seen.body)}; }, std::move(late));
  });
  auto answer = ask(address_, "localhost.apps.test", {.method = "POST", .body = "hello"});
  starts.join();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "late hello");
}

TEST_F(EdgeTest, GivesARequestToAnAppOnceOnly) {
  std::atomic<int> taken = 0;
  ScriptedServer app([&](const Seen&) {
    ++taken;
    return Script{"", true};  // closes without an answer
  });
  ScriptedServer room([](const Seen&) { return Script{ok_answer("room")}; });
  auto edge = start(plan(app, room));
  ASSERT_TRUE(until([&] { return edge->condition().serving; }));
  EXPECT_EQ(ask(address_, "localhost.apps.test")->status, 502);
  EXPECT_EQ(taken, 1);
}

TEST_F(EdgeTest, ConfiguresACaddyThatCameBack) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; });
  ScriptedServer room([](const Seen&) { return Script{ok_answer("room")}; });
  auto edge = start(plan(app, room));
  ASSERT_TRUE(until([&] { return edge->condition().serving; }));
  end_caddy();
  ASSERT_TRUE(until([&] { return !edge->condition().serving; }));
  EXPECT_NE(edge->condition().message, "");
  start_caddy();
  ASSERT_TRUE(until([&] { return edge->condition().serving; })) << edge->condition().message;
  EXPECT_EQ(edge->condition().loads, 2);
  EXPECT_EQ(ask(address_, "localhost.apps.test")->body, "app");
}

TEST_F(EdgeTest, LeavesACaddyAloneThatHasItAll) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; });
  ScriptedServer room([](const Seen&) { return Script{ok_answer("room")}; });
  FrontDoorPlan same = plan(app, room);
  {
    auto first = start(same);
    ASSERT_TRUE(until([&] { return first->condition().serving; }));
    auto again = start(same);
    ASSERT_TRUE(until([&] { return again->condition().serving; }));
    EXPECT_EQ(again->condition().loads, 0);
  }
  same.try_duration = "1s";
  auto other = start(same);
  ASSERT_TRUE(until([&] { return other->condition().loads == 1; }));
}

TEST_F(EdgeTest, OfThePerAppLayoutGivesItsRoutesBackAfterARestart) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("shop")}; });
  ScriptedServer room([](const Seen&) { return Script{ok_answer("room")}; });
  FrontDoorPlan per_app = plan(app, room);
  per_app.layout = Layout::per_app;
  auto edge = start(per_app);
  ASSERT_TRUE(until([&] { return edge->condition().serving; }));
  const Route route = {"shop.example.com", "127.0.0.1:" + port_of(app)};
  ASSERT_TRUE(edge->routes().publish(route));
  const auto serves = [&] {
    auto answer = ask(address_, "shop.example.com");
    return answer && answer->body == "shop";
  };
  EXPECT_TRUE(until(serves));
  end_caddy();
  ASSERT_TRUE(until([&] { return !edge->condition().serving; }));
  start_caddy();
  EXPECT_TRUE(until(serves));
}

TEST_F(EdgeTest, ServesHttpsAndLeadsThereFromHttp) {
  const testing::Authority authority;
  const testing::KeyPair pair = authority.issue("*.apps.test");
  ASSERT_TRUE(write_file(data_ / "tls.crt", pair.certificate, Durability::unsynced));
  ASSERT_TRUE(write_file(data_ / "tls.key", pair.key, Durability::unsynced, 0600));
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; });
  FrontDoorPlan https = plan(app, app);
  https.redirect = to_string(*claim_port(*parse_listen("127.0.0.1:0")));
  https.tls["certificates"]["load_files"] =
      nlohmann::json::array({{{"certificate", data_ / "tls.crt"}, {"key", data_ / "tls.key"}}});
  https.storage = {{"module", "file_system"}, {"root", data_ / "storage"}};
  auto edge = start(https);
  ASSERT_TRUE(until([&] {
    const EdgeCondition now = edge->condition();
    return now.serving && now.certificate.empty();
  })) << edge->condition().message
      << edge->condition().certificate;
  auto tls = std::make_shared<fetch::Tls>();
  tls->authorities = authority.certificate();
  tls->server_name = "localhost.apps.test";
  auto answer = fetch::make_client()->send({.url = "https://" + address_ + "/", .tls = tls});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 421);
  auto led = ask(https.redirect, "x.apps.test", {.method = "POST", .url = "/a%2f/b?c=d&e"});
  ASSERT_TRUE(led) << led.error().message;
  EXPECT_EQ(led->status, 308);
  EXPECT_EQ(led->header("Location"), "https://x.apps.test/a%2f/b?c=d&e");
}

TEST_F(EdgeTest, SaysWhyThereIsNoCertificateYet) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; });
  FrontDoorPlan https = plan(app, app);
  https.tls = nlohmann::json::parse(R"({"certificates": {"automate": ["*.apps.test"]},
    "automation": {"policies": [{"subjects": ["*.apps.test"],
      "issuers": [{"module": "acme", "ca": "https://127.0.0.1:1/dir"}]}]}})");
  auto edge = start(https);
  const auto says = [&](const char* word) {
    return edge->condition().certificate.find(word) != std::string::npos;
  };
  ASSERT_TRUE(until([&] { return edge->condition().serving; })) << edge->condition().message;
  EXPECT_TRUE(until([&] { return says("is asking for one") || says("connection refused"); }));
  EXPECT_TRUE(until([&] { return says("connection refused"); })) << edge->condition().certificate;
  EXPECT_NE(edge->condition().certificate.find("*.apps.test"), std::string::npos);
}

TEST_F(EdgeTest, RefusesAPlanThatCannotWork) {
  ScriptedServer app([](const Seen&) { return Script{}; });
  for (auto spoil :
       {+[](FrontDoorPlan& p) { p.upstream = "app:80"; },
        +[](FrontDoorPlan& p) { p.waiting_room.clear(); }, +[](FrontDoorPlan& p) { p.run = "run"; },
        +[](FrontDoorPlan& p) { p.domain.clear(); },
        +[](FrontDoorPlan& p) { p.try_duration.clear(); },
        +[](FrontDoorPlan& p) { p.redirect = "127.0.0.1:1"; }}) {
    FrontDoorPlan bad = plan(app, app);
    spoil(bad);
    auto edge = Edge::start({.plan = bad});
    ASSERT_FALSE(edge);
    EXPECT_EQ(edge.error().reason, "bad_config");
  }
}

}  // namespace
}  // namespace vibed::route
