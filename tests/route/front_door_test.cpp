#include "route/front_door.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "fetch/scripted_server.hpp"
#include "route/caddies.hpp"
#include "support/temp_dir.hpp"

namespace vibed::route {
namespace {

using testing::ask;
using testing::eventually;
using testing::ok_answer;
using testing::Script;
using testing::ScriptedServer;
using testing::Seen;
using testing::TempDir;

// What a running front door does, with each Caddy.
class FrontDoorWith : public ::testing::TestWithParam<testing::CaddyKind> {
 protected:
  void SetUp() override {
    NEEDS_CADDY(program_);
    std::filesystem::create_directories(run_ + "/apps");
  }

  Result<std::unique_ptr<FrontDoor>> start(const std::string& listen = "127.0.0.1:0",
                                           const std::string& domain = "localhost") {
    return FrontDoor::start({.run = run_, .listen = listen, .domain = domain, .program = program_});
  }

  std::string app_socket(const std::string& label) { return run_ + "/apps/" + label + ".sock"; }

  const std::string program_ = testing::caddy_program(GetParam());
  TempDir data_;
  const std::string run_ = data_ / "run";
};

TEST_P(FrontDoorWith, LeadsAHostToTheSocketOfItsLabel) {
  ScriptedServer app([](const Seen& seen) { return Script{ok_answer("app " + seen.head)}; },
                     app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  auto answer = ask((*door)->address(), "abc.localhost", {.url = "/a%2fb?q=1"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_TRUE(answer->body.starts_with("app GET /a%2fb?q=1 HTTP/1.1")) << answer->body;
  EXPECT_NE(answer->body.find("Host: abc.localhost"), std::string::npos) << answer->body;
  EXPECT_NE(answer->body.find("X-Forwarded-For: 127.0.0.1"), std::string::npos) << answer->body;
}

TEST_P(FrontDoorWith, IgnoresThePortOfAHost) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; }, app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  EXPECT_EQ(ask((*door)->address(), "abc.localhost:1234")->body, "app");
}

TEST_P(FrontDoorWith, IgnoresTheCaseOfAHost) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; }, app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  if ((*door)->condition().version == "2.6.2") {
    GTEST_SKIP() << "Caddy 2.6 puts the host's labels into the path as they are; browsers send "
                    "lower case";
  }
  EXPECT_EQ(ask((*door)->address(), "ABC.localhost")->body, "app");
}

TEST_P(FrontDoorWith, TakesAwayWhatAVisitorMayNotSay) {
  ScriptedServer app([](const Seen& seen) { return Script{ok_answer(seen.head)}; },
                     app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  auto answer = ask((*door)->address(), "abc.localhost",
                    {.headers = {{"X-Vibed-User", "mallory"},
                                 {"X-Forwarded-For", "6.6.6.6"},
                                 {"X-Real-Ip", "6.6.6.6"},
                                 {"Forwarded", "for=6.6.6.6"},
                                 {"Proxy", "http://6.6.6.6"}}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body.find("mallory"), std::string::npos) << answer->body;
  EXPECT_EQ(answer->body.find("6.6.6.6"), std::string::npos) << answer->body;
  EXPECT_NE(answer->body.find("X-Real-Ip: 127.0.0.1"), std::string::npos) << answer->body;
}

TEST_P(FrontDoorWith, PassesBodiesBothWaysAsTheyAre) {
  ScriptedServer app([](const Seen& seen) { return Script{ok_answer(seen.body)}; },
                     app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  const std::string body(3'000'000, 'b');
  auto answer = ask((*door)->address(), "abc.localhost", {.method = "POST", .body = body});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->body == body);
  EXPECT_EQ(answer->header("Content-Length"), "3000000");
}

TEST_P(FrontDoorWith, DialsTheAppAnewForEachRequest) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("x")}; }, app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(ask((*door)->address(), "abc.localhost"));
  EXPECT_EQ(app.connections(), 4);
}

TEST_P(FrontDoorWith, FollowsASymlinkThatIsMoved) {
  ScriptedServer older([](const Seen&) { return Script{ok_answer("old")}; }, run_ + "/old.sock");
  ScriptedServer newer([](const Seen&) { return Script{ok_answer("new")}; }, run_ + "/new.sock");
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  std::filesystem::create_symlink("../old.sock", app_socket("abc"));
  EXPECT_EQ(ask((*door)->address(), "abc.localhost")->body, "old");
  std::filesystem::create_symlink("../new.sock", run_ + "/apps/next");
  std::filesystem::rename(run_ + "/apps/next", app_socket("abc"));
  EXPECT_EQ(ask((*door)->address(), "abc.localhost")->body, "new");
}

TEST_P(FrontDoorWith, SendsWhatHasNoSocketToTheWaitingRoom) {
  ScriptedServer room([](const Seen& seen) { return Script{ok_answer(seen.head)}; },
                      run_ + "/waiting-room.sock");
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  auto answer = ask((*door)->address(), "abc.localhost",
                    {.url = "/x?y", .headers = {{"X-Vibed-App", "spoofed"}}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->body.starts_with("GET /x?y ")) << answer->body;
  EXPECT_NE(answer->body.find("X-Vibed-App: abc\r\n"), std::string::npos) << answer->body;
  EXPECT_EQ(answer->body.find("spoofed"), std::string::npos) << answer->body;
  EXPECT_NE(answer->body.find("Host: abc.localhost"), std::string::npos) << answer->body;
}

TEST_P(FrontDoorWith, SendsAPostToTheWaitingRoomAndSaysThatItWasOne) {
  ScriptedServer room([](const Seen& seen) { return Script{ok_answer(seen.head)}; },
                      run_ + "/waiting-room.sock");
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  auto answer = ask((*door)->address(), "abc.localhost", {.method = "POST", .body = "hello"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_NE(answer->body.find("X-Vibed-Original-Method: POST"), std::string::npos) << answer->body;
}

TEST_P(FrontDoorWith, SendsAChunkedPostToTheWaitingRoomToo) {
  ScriptedServer room([](const Seen& seen) { return Script{ok_answer(seen.head)}; },
                      run_ + "/waiting-room.sock");
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  auto source = make_memory_source("hello");
  fetch::Request request{.method = "PUT"};
  request.body_source = source.get();
  auto answer = ask((*door)->address(), "abc.localhost", request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_NE(answer->body.find("X-Vibed-Original-Method: PUT"), std::string::npos) << answer->body;
}

TEST_P(FrontDoorWith, SendsAStaleSocketToTheWaitingRoom) {
  ScriptedServer room([](const Seen&) { return Script{ok_answer("waiting")}; },
                      run_ + "/waiting-room.sock");
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  {
    ScriptedServer dead([](const Seen&) { return Script{}; }, app_socket("abc"));
  }
  EXPECT_EQ(ask((*door)->address(), "abc.localhost")->body, "waiting");
}

TEST_P(FrontDoorWith, AnswersByItselfWhenTheWaitingRoomIsDown) {
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  auto get = ask((*door)->address(), "abc.localhost");
  ASSERT_TRUE(get) << get.error().message;
  EXPECT_EQ(get->status, 503);
  EXPECT_EQ(get->header("Retry-After"), "5");
  EXPECT_NE(get->body.find("vibed is not running"), std::string::npos);
  auto post = ask((*door)->address(), "abc.localhost", {.method = "POST", .body = "x"});
  ASSERT_TRUE(post) << post.error().message;
  EXPECT_EQ(post->status, 503);
}

TEST_P(FrontDoorWith, DeliversARequestToAnAppThatDiesOnItExactlyOnce) {
  ScriptedServer room([](const Seen&) { return Script{ok_answer("waiting")}; },
                      run_ + "/waiting-room.sock");
  ScriptedServer app([](const Seen&) { return Script{"", true}; }, app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  EXPECT_EQ(ask((*door)->address(), "abc.localhost")->status, 502);
  EXPECT_EQ(ask((*door)->address(), "abc.localhost", {.method = "DELETE"})->status, 502);
  EXPECT_EQ(ask((*door)->address(), "abc.localhost", {.method = "POST", .body = "x"})->status, 502);
  EXPECT_EQ(app.connections(), 3);
  EXPECT_EQ(room.connections(), 0);
}

TEST_P(FrontDoorWith, RefusesHostsThatAreNoApps) {
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  EXPECT_EQ(ask((*door)->address(), "example.com")->status, 421);
  EXPECT_EQ(ask((*door)->address(), "localhost")->status, 421);
  EXPECT_EQ(ask((*door)->address(), "a.b.localhost")->status, 421);
  EXPECT_EQ(ask((*door)->address(), "../x.localhost")->status, 400);
}

TEST_P(FrontDoorWith, RefusesAHugeHead) {
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  fetch::Request request{.headers = {{"X-Huge", std::string(71'000, 'h')}}};
  // The connection is reset behind the answer, because the rest of the head was never read.
  request.on_data = [](std::string_view) { return false; };
  auto answer = ask((*door)->address(), "abc.localhost", request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 431);
}

TEST_P(FrontDoorWith, PassesEachPieceOfAStreamAtOnce) {
  ScriptedServer app(
      [](const Seen&) { return Script{"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst"}; },
      app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  std::string got;
  fetch::Request request{.timeout = std::chrono::seconds(10)};
  request.on_data = [&](std::string_view piece) {
    got += piece;
    return false;
  };
  auto answer = ask((*door)->address(), "abc.localhost", request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(got, "first");
}

TEST_P(FrontDoorWith, PassesAnUpgradedConnectionBothWays) {
  std::atomic<int> reads = 0;
  ScriptedServer app(
      [&](const Seen&) {
        if (reads++ > 0) return Script{"pong"};
        return Script{
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"};
      },
      app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  auto visitor = testing::open_upgraded((*door)->address(), "abc.localhost");
  ASSERT_TRUE(visitor) << visitor.error().message;
  EXPECT_EQ(testing::say(visitor->get(), "ping\r\n\r\n", 4), "pong");
}

TEST_P(FrontDoorWith, TellsAnAppThatItsVisitorHasLeft) {
  ScriptedServer app([](const Seen&) { return Script{}; }, app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  auto answer =
      ask((*door)->address(), "abc.localhost", {.timeout = std::chrono::milliseconds(200)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(app.connections(), 1);
  EXPECT_TRUE(eventually([&] { return app.open_connections() == 0; }));
}

TEST_P(FrontDoorWith, ComesBackAfterItWasKilled) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; }, app_socket("abc"));
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  const int pid = (*door)->condition().pid;
  ::kill(pid, SIGKILL);
  ASSERT_TRUE(eventually([&] { return (*door)->condition().restarts == 1; }))
      << (*door)->condition().message;
  const FrontDoorCondition after = (*door)->condition();
  EXPECT_TRUE(after.serving);
  EXPECT_NE(after.pid, pid);
  EXPECT_EQ(ask((*door)->address(), "abc.localhost")->body, "app");
  RecordProperty("outage_ms", std::to_string(after.last_outage.count()));
  EXPECT_LT(after.last_outage, std::chrono::seconds(5));
}

TEST_P(FrontDoorWith, AKeptOneIsAdoptedWithItsPortAndPid) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; }, app_socket("abc"));
  auto first = start();
  ASSERT_TRUE(first) << first.error().message;
  const std::string address = (*first)->address();
  const int pid = (*first)->condition().pid;
  (*first)->keep();
  first->reset();
  EXPECT_EQ(ask(address, "abc.localhost")->body, "app");

  auto second = start();
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_TRUE((*second)->condition().adopted);
  EXPECT_EQ((*second)->condition().pid, pid);
  EXPECT_EQ((*second)->address(), address);
  EXPECT_EQ(ask(address, "abc.localhost")->body, "app");
}

TEST_P(FrontDoorWith, AnAdoptedOneComesBackAfterItWasKilled) {
  auto first = start();
  ASSERT_TRUE(first) << first.error().message;
  (*first)->keep();
  first->reset();
  auto second = start();
  ASSERT_TRUE(second) << second.error().message;
  ::kill((*second)->condition().pid, SIGKILL);
  EXPECT_TRUE(eventually([&] { return (*second)->condition().restarts == 1; }));
}

TEST_P(FrontDoorWith, AnAdoptedOneIsGivenWhatChanged) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; }, app_socket("abc"));
  auto first = start();
  ASSERT_TRUE(first) << first.error().message;
  const int pid = (*first)->condition().pid;
  const std::string address = (*first)->address();
  (*first)->keep();
  first->reset();

  auto second = start("127.0.0.1:0", "apps.test");
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ((*second)->condition().pid, pid);
  EXPECT_EQ((*second)->address(), address);
  EXPECT_EQ(ask(address, "abc.apps.test")->body, "app");
  EXPECT_EQ(ask(address, "abc.localhost")->status, 421);
}

TEST_P(FrontDoorWith, AnAdoptedOneMovesToAnotherPort) {
  ScriptedServer app([](const Seen&) { return Script{ok_answer("app")}; }, app_socket("abc"));
  auto first = start("127.0.0.2:0");
  ASSERT_TRUE(first) << first.error().message;
  const std::string before = (*first)->address();
  (*first)->keep();
  first->reset();
  auto second = start("127.0.0.3:0");
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_TRUE((*second)->condition().adopted);
  EXPECT_TRUE((*second)->address().starts_with("127.0.0.3:"));
  EXPECT_EQ(ask((*second)->address(), "abc.localhost")->body, "app");
  EXPECT_TRUE(eventually([&] { return !ask(before, "abc.localhost"); }));
}

TEST_P(FrontDoorWith, StopLeavesNoProcessAndNoSocket) {
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  const int pid = (*door)->condition().pid;
  const std::string address = (*door)->address();
  (*door)->stop();
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_FALSE(std::filesystem::exists(run_ + "/caddy-admin.sock"));
  EXPECT_FALSE(std::filesystem::exists(run_ + "/caddy.json"));
  EXPECT_FALSE(ask(address, "abc.localhost"));
}

TEST_P(FrontDoorWith, IsOutOfReachOfTheTerminalsSignals) {
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  const int pid = (*door)->condition().pid;
  EXPECT_EQ(::getsid(pid), pid);
}

TEST_P(FrontDoorWith, InheritsNoDescriptor) {
  ScriptedServer witness([](const Seen&) { return Script{}; });
  const int open = ::dup(1);  // without close-on-exec
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  const std::string folder = "/proc/" + std::to_string((*door)->condition().pid) + "/fd/";
  std::error_code ignored;
  const auto ours = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(open));
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    EXPECT_NE(std::filesystem::read_symlink(entry.path(), ignored), ours) << entry.path();
  }
  ::close(open);
}

TEST_P(FrontDoorWith, KeepsItsFilesInItsFolder) {
  auto door = start();
  ASSERT_TRUE(door) << door.error().message;
  EXPECT_TRUE(std::filesystem::exists(run_ + "/caddy.log"));
  struct stat info {};
  ASSERT_EQ(::stat((run_ + "/caddy-config.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

INSTANTIATE_TEST_SUITE_P(Caddies, FrontDoorWith,
                         ::testing::Values(testing::CaddyKind{"machine"},
                                           testing::CaddyKind{"2.11"}),
                         testing::name_of);

TEST(FrontDoor, DoesNotTouchAProcessThatOnlyHasThePidOfItsState) {
  const TempDir data;
  const std::string program = testing::caddy_program({"machine"});
  NEEDS_CADDY(program);
  ASSERT_TRUE(write_file(data / "caddy.json",
                         nlohmann::json{{"pid", ::getpid()},
                                        {"start_time", 1},
                                        {"program", program},
                                        {"version", "2.6.2"},
                                        {"listen", "127.0.0.1:1"}}
                             .dump(),
                         Durability::unsynced));
  auto door = FrontDoor::start({.run = data.path(), .listen = "127.0.0.1:0", .program = program});
  ASSERT_TRUE(door) << door.error().message;  // and this process still runs
  EXPECT_FALSE((*door)->condition().adopted);
}

TEST(FrontDoor, SaysThatItsPortIsTaken) {
  const TempDir data;
  const std::string program = testing::caddy_program({"machine"});
  NEEDS_CADDY(program);
  ScriptedServer other([](const Seen&) { return Script{}; });
  auto door =
      FrontDoor::start({.run = data.path(), .listen = other.url().substr(7), .program = program});
  ASSERT_FALSE(door);
  EXPECT_EQ(door.error().reason, "address_in_use");
}

TEST(FrontDoor, SaysWhatABrokenCaddyPrinted) {
  const TempDir data;
  ASSERT_TRUE(write_file(data / "caddy",
                         "#!/bin/sh\n[ \"$1\" = version ] && echo v2.9.9 && exit\n"
                         "echo 'Error: no luck today' >&2\nexit 1\n",
                         Durability::unsynced, 0755));
  auto door =
      FrontDoor::start({.run = data / "run", .listen = "127.0.0.1:0", .program = data / "caddy"});
  ASSERT_FALSE(door);
  EXPECT_NE(door.error().message.find("no luck today"), std::string::npos) << door.error().message;
}

TEST(FrontDoor, RefusesAnUnknownLayout) {
  const TempDir data;
  auto door = FrontDoor::start({.run = data.path(), .layout = "spaghetti"});
  ASSERT_FALSE(door);
  EXPECT_EQ(door.error().reason, "bad_config");
}

TEST(FrontDoor, RefusesThePerAppLayoutWithAnOldCaddy) {
  const TempDir data;
  const std::string program = testing::caddy_program({"machine"});
  NEEDS_CADDY(program);
  auto door = FrontDoor::start(
      {.run = data.path(), .listen = "127.0.0.1:0", .layout = "per-app", .program = program});
  if (door) GTEST_SKIP() << "the machine's Caddy is new enough";
  EXPECT_EQ(door.error().reason, "bad_config");
  EXPECT_NE(door.error().message.find("needs Caddy 2.7"), std::string::npos);
}

}  // namespace
}  // namespace vibed::route
