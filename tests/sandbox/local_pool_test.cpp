// What only the local pool can show: processes, sockets, files, adoption.
#include "sandbox/local_pool.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "local_world.hpp"
#include "process/pidfd.hpp"
#include "watcher.hpp"

namespace vibed::sandbox {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

class LocalPoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const std::string why = why_no_sandboxes();
    if (!why.empty()) GTEST_SKIP() << why;
    world_ = std::make_unique<LocalWorld>();
  }

  LocalPool& pool() { return *world_->pool; }

  Sandbox inject(const std::string& way, std::int64_t generation = 1,
                 const std::string& app = "web") {
    Watcher watcher(pool());
    auto claimed = pool().claim({app, "uid-" + app, "label-" + app, generation, "python-313"});
    EXPECT_TRUE(claimed);
    if (!claimed) return {};
    watcher.until_phase(claimed->id, {SandboxPhase::bound, SandboxPhase::failed});
    EXPECT_TRUE(pool().inject(claimed->id, {way, "", {}}));
    return watcher.until_phase(claimed->id,
                               {SandboxPhase::listening, SandboxPhase::failed, SandboxPhase::gone});
  }

  Sandbox serve(std::int64_t generation = 1, const std::string& way = "listen",
                const std::string& app = "web") {
    Sandbox sandbox = inject(way, generation, app);
    EXPECT_EQ(sandbox.phase, SandboxPhase::listening) << sandbox.message;
    auto exposed = pool().expose("label-" + app, sandbox.id);
    EXPECT_TRUE(exposed) << exposed.error().message;
    return sandbox;
  }

  json state(const std::string& id) { return json::parse(world_->state(id), nullptr, false); }
  std::string upstream(const std::string& app = "web") {
    return world_->data / ("run/apps/label-" + app + ".sock");
  }
  std::string ask(const std::string& app = "web") {
    return talk(upstream(app), "GET / HTTP/1.1\r\n\r\n");
  }
  std::string folder(const std::string& id) { return world_->data / ("run/sandboxes/" + id); }

  static void wait_for_end(pid_t pid) {
    auto process = open_process(pid);
    EXPECT_TRUE(!process || process->wait_exit(10s)) << pid;
  }

  std::unique_ptr<LocalWorld> world_;
};

TEST_F(LocalPoolTest, AnExposedAppAnswersOnItsUpstream) {
  serve();
  EXPECT_NE(ask().find("generation 1"), std::string::npos) << ask();
}

TEST_F(LocalPoolTest, TheUpstreamFollowsTheGenerationAndTheOldRelayIsShut) {
  Sandbox old = serve(1);
  Sandbox next = serve(2);
  EXPECT_NE(ask().find("generation 2"), std::string::npos);
  EXPECT_EQ(talk(folder(old.id) + "/app.sock", "x"), "refused");
  EXPECT_TRUE(pool().release(old.id));
  EXPECT_NE(ask().find("generation 2"), std::string::npos);
}

TEST_F(LocalPoolTest, ARelayThatDoesNotDrainIsEndedBeforeExposeReturns) {
  Sandbox old = serve(1, "stubborn");
  pid_t pid = state(old.id)["pid"];
  serve(2);
  auto process = open_process(pid);  // until somebody has reaped it
  EXPECT_FALSE(process && !process->wait_exit(0ms));
}

TEST_F(LocalPoolTest, AKilledSandboxRefusesConnections) {
  Sandbox sandbox = serve();
  std::string socket = folder(sandbox.id) + "/app.sock";
  pid_t pid = state(sandbox.id)["pid"];
  Watcher watcher(pool());
  ::kill(pid, SIGKILL);
  EXPECT_EQ(watcher.until_phase(sandbox.id, {SandboxPhase::gone}).phase, SandboxPhase::gone);
  EXPECT_EQ(ask(), "refused");
}

TEST_F(LocalPoolTest, KillingBubblewrapsOwnProcessHarmsNobody) {
  Sandbox sandbox = serve();
  pid_t outer = state(sandbox.id)["outerPid"];
  ::kill(outer, SIGKILL);
  wait_for_end(outer);
  EXPECT_NE(ask().find("generation 1"), std::string::npos);
  pid_t inner = state(sandbox.id)["pid"];
  ASSERT_TRUE(pool().release(sandbox.id));
  wait_for_end(inner);
}

TEST_F(LocalPoolTest, AReleaseLeavesNoProcessFolderLinkOrCgroup) {
  Sandbox sandbox = serve();
  json record = state(sandbox.id);
  ASSERT_TRUE(pool().release(sandbox.id));
  EXPECT_FALSE(fs::exists(fs::symlink_status(upstream())));
  pool().stop(false);
  EXPECT_FALSE(open_process(record["pid"].get<pid_t>(), record["startTime"].get<std::uint64_t>()));
  EXPECT_FALSE(fs::exists(folder(sandbox.id)));
  for (const std::string cgroup : record["cgroups"]) EXPECT_FALSE(fs::exists(cgroup)) << cgroup;
}

TEST_F(LocalPoolTest, AReleaseWaitsForOpenConnectionsButNotForEver) {
  Sandbox sandbox = serve(1, "hold");
  pid_t pid = state(sandbox.id)["pid"];
  std::string answer = "not asked";
  auto started = std::chrono::steady_clock::now();
  std::jthread visitor([&] { answer = ask(); });
  // Answered once the connection is open inside.
  talk(folder(sandbox.id) + "/control.sock",
       "GET /held HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer " +
           state(sandbox.id)["token"].get<std::string>() + "\r\n\r\n");
  ASSERT_TRUE(pool().release(sandbox.id));
  wait_for_end(pid);
  visitor.join();
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
}

TEST_F(LocalPoolTest, StopEndsEverythingWithinTenSeconds) {
  std::vector<json> records;
  for (int i = 0; i < 4; ++i)
    records.push_back(state(serve(1, "listen", "app" + std::to_string(i)).id));
  auto started = std::chrono::steady_clock::now();
  pool().stop(false);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 10s);
  for (const json& record : records)
    EXPECT_FALSE(
        open_process(record["pid"].get<pid_t>(), record["startTime"].get<std::uint64_t>()));
  EXPECT_TRUE(fs::is_empty(world_->data / "run/sandboxes"));
  EXPECT_TRUE(fs::is_empty(world_->data / "run/apps"));
  EXPECT_EQ(pool().claim({"a", "b", "c", 1, "python-313"}).error().reason, "stopping");
}

TEST_F(LocalPoolTest, AfterACrashTheNextPoolAdoptsWhatServes) {
  Sandbox sandbox = serve();
  auto claimed = pool().claim({"two", "uid-two", "label-two", 7, "python-313"});
  ASSERT_TRUE(claimed);
  {
    Watcher watcher(pool());
    watcher.until_phase(claimed->id, {SandboxPhase::bound});
  }
  pool().abandon();
  EXPECT_NE(ask().find("generation 1"), std::string::npos);
  world_->open();
  auto found = pool().observe("uid-web");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].id, sandbox.id);
  EXPECT_EQ(found[0].phase, SandboxPhase::listening);
  EXPECT_TRUE(found[0].exposed);
  EXPECT_EQ(found[0].generation, 1);
  EXPECT_EQ(found[0].port, 8080);
  EXPECT_EQ(found[0].upstream, sandbox.upstream);
  EXPECT_EQ(found[0].runtime_version, "python 3");
  EXPECT_TRUE(pool().observe("uid-two").empty())
      << "claimed, nothing injected: to be claimed again";
  EXPECT_NE(ask().find("generation 1"), std::string::npos);
  serve(2);
  EXPECT_NE(ask().find("generation 2"), std::string::npos);
  pid_t pid = state(sandbox.id)["pid"];
  ASSERT_TRUE(pool().release(sandbox.id));
  wait_for_end(pid);
}

TEST_F(LocalPoolTest, KeptAppsServeOnAndAreAdopted) {
  Sandbox sandbox = serve();
  pool().stop(true);
  EXPECT_NE(ask().find("generation 1"), std::string::npos);
  EXPECT_EQ(std::distance(fs::directory_iterator(world_->data / "run/sandboxes"), {}), 1);
  world_->open();
  EXPECT_EQ(pool().observe("uid-web").at(0).id, sandbox.id);
}

TEST_F(LocalPoolTest, WhatDiedWhileNobodyLookedIsTidiedUp) {
  Sandbox sandbox = serve();
  json record = state(sandbox.id);
  pool().abandon();
  ::kill(record["pid"], SIGKILL);
  wait_for_end(record["outerPid"]);
  world_->open();
  EXPECT_TRUE(pool().observe("uid-web").empty());
  EXPECT_FALSE(fs::exists(folder(sandbox.id)));
  EXPECT_FALSE(fs::exists(fs::symlink_status(upstream())));
  for (const std::string cgroup : record["cgroups"]) EXPECT_FALSE(fs::exists(cgroup)) << cgroup;
}

TEST_F(LocalPoolTest, ASandboxOfAnAppThatNobodyKnowsIsEnded) {
  Sandbox sandbox = serve();
  pid_t pid = state(sandbox.id)["pid"];
  pool().abandon();
  world_->base.known_app = [](const std::string& uid) { return uid == "somebody"; };
  world_->open();
  wait_for_end(pid);
  EXPECT_TRUE(pool().observe_all().empty());
  EXPECT_FALSE(fs::exists(folder(sandbox.id)));
}

TEST_F(LocalPoolTest, ASandboxWhoseRecordWasNeverFinishedIsFoundAndEnded) {
  Sandbox sandbox = serve();
  json record = state(sandbox.id);
  pool().abandon();
  fs::remove(folder(sandbox.id) + "/state.json");
  world_->open();
  wait_for_end(record["pid"]);
  EXPECT_FALSE(fs::exists(folder(sandbox.id)));
  for (const std::string cgroup : record["cgroups"]) EXPECT_FALSE(fs::exists(cgroup)) << cgroup;
}

TEST_F(LocalPoolTest, AnInjectionThatWasCutOffIsNotAdopted) {
  Sandbox sandbox = inject("fail");
  EXPECT_EQ(sandbox.phase, SandboxPhase::failed);
  json record = state(sandbox.id);
  pool().abandon();
  record["injected"] = "begun";
  FILE* file = std::fopen((folder(sandbox.id) + "/state.json").c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(record.dump().c_str(), file);
  std::fclose(file);
  world_->open();
  EXPECT_TRUE(pool().observe("uid-web").empty());
}

TEST_F(LocalPoolTest, APidThatWasGivenToAnotherProcessIsLeftAlone) {
  Sandbox sandbox = serve();
  json record = state(sandbox.id);
  pool().stop(true);
  ::kill(record["pid"], SIGKILL);
  wait_for_end(record["outerPid"]);
  record["pid"] = ::getpid();
  FILE* file = std::fopen((folder(sandbox.id) + "/state.json").c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(record.dump().c_str(), file);
  std::fclose(file);
  world_->open();  // we live
  EXPECT_TRUE(pool().observe_all().empty());
}

TEST_F(LocalPoolTest, AnAgentThatDiesInTheInjectionIsAGoneSandboxNotAFailedApp) {
  EXPECT_EQ(inject("die").phase, SandboxPhase::gone);
}

TEST_F(LocalPoolTest, ARefusedOrMissingSourceIsInjectFailed) {
  Sandbox refused = inject("refuse");
  EXPECT_EQ(refused.phase, SandboxPhase::failed);
  EXPECT_EQ(refused.reason, "InjectFailed");
  Sandbox missing = inject("missing", 2);
  EXPECT_EQ(missing.phase, SandboxPhase::failed);
  EXPECT_EQ(missing.reason, "InjectFailed");
  EXPECT_NE(missing.message, "");
}

TEST_F(LocalPoolTest, LogLinesCarryTimeAndStream) {
  Sandbox sandbox = serve();
  auto stream = pool().logs(sandbox.id, {10, false});
  ASSERT_TRUE(stream);
  auto soon = std::chrono::steady_clock::now() + 10s;
  for (int i = 0; i < 3; ++i) {
    auto line = (*stream)->next({}, soon);
    ASSERT_TRUE(line && *line);
    EXPECT_EQ((*line)->text, "line " + std::to_string(i));
    EXPECT_EQ((*line)->stream, "stdout");
    EXPECT_GT((*line)->time, Time());
  }
  auto end = (*stream)->next({}, soon);
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
}

TEST_F(LocalPoolTest, ABrokenAgentFailsTheClaimAndTheTemplateSaysWhy) {
  pool().stop(false);
  std::string broken = world_->data / "broken";
  FILE* file = std::fopen(broken.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs("#!/bin/sh\necho this agent is broken >&2\nexit 3\n", file);
  std::fclose(file);
  world_->base.agent = broken;
  world_->open();
  Watcher watcher(pool());
  auto claimed = pool().claim({"web", "uid", "label", 1, "python-313"});
  ASSERT_TRUE(claimed);
  Sandbox sandbox = watcher.until_phase(claimed->id, {SandboxPhase::failed, SandboxPhase::bound});
  EXPECT_EQ(sandbox.phase, SandboxPhase::failed);
  EXPECT_EQ(sandbox.reason, "SandboxFailed");
  EXPECT_NE(sandbox.message.find("this agent is broken"), std::string::npos) << sandbox.message;
  EXPECT_NE(pool().templates().at(0).message.find("this agent is broken"), std::string::npos);
  EXPECT_TRUE(pool().release(claimed->id));
}

TEST_F(LocalPoolTest, AsRootEverySandboxHasAHostUidOfItsOwn) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root";
  std::set<int> uids;
  for (int i = 0; i < 3; ++i) {
    json record = state(serve(1, "listen", "app" + std::to_string(i)).id);
    int uid = record["uid"];
    EXPECT_GE(uid, 600'000);
    EXPECT_LE(uid, 665'535);
    uids.insert(uid);
  }
  EXPECT_EQ(uids.size(), 3U);
}

TEST_F(LocalPoolTest, APrivateDataFolderIsNoObstacle) {
  pool().stop(false);
  ::chmod(world_->data.path().c_str(), 0700);
  world_->open();
  serve();
  EXPECT_NE(ask().find("generation 1"), std::string::npos);
}

TEST_F(LocalPoolTest, ATooLongPathIsSaidSo) {
  LocalPoolOptions options = world_->options();
  options.run_directory = world_->data / std::string(90, 'x');
  EXPECT_EQ(open_local_sandbox_pool(options).error().reason, "path_too_long");
}

TEST_F(LocalPoolTest, WithoutBubblewrapItSaysHowToGetIt) {
  LocalPoolOptions options = world_->options();
  options.sandbox.bubblewrap = "/nowhere/bwrap";
  EXPECT_EQ(open_local_sandbox_pool(options).error().code, Errc::not_found);
}

TEST_F(LocalPoolTest, ManyAppsMissThePoolAndAllGetThere) {
  constexpr int kApps = 12;
  Watcher watcher(pool());
  std::vector<std::string> ids;
  for (int i = 0; i < kApps; ++i) {
    std::string app = "app" + std::to_string(i);
    auto claimed = pool().claim({app, "uid-" + app, "label-" + app, 1, "python-313"});
    ASSERT_TRUE(claimed);
    ids.push_back(claimed->id);
  }
  for (const std::string& id : ids) {
    Sandbox now = watcher.until_phase(id, {SandboxPhase::bound, SandboxPhase::failed});
    EXPECT_EQ(now.phase, SandboxPhase::bound) << now.message;
    EXPECT_TRUE(pool().inject(id, {"listen", "", {}}));
  }
  for (const std::string& id : ids)
    EXPECT_EQ(watcher.until_phase(id, {SandboxPhase::listening}).phase, SandboxPhase::listening);
}

}  // namespace
}  // namespace vibed::sandbox
