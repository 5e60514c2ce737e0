// An app that tries to get out of a real sandbox, as tests/sandbox/probe/app.py does it.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/fd.hpp"
#include "local_world.hpp"
#include "process/run.hpp"
#include "support/surroundings.hpp"
#include "watcher.hpp"

namespace vibed::sandbox {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kGreeting = "gr\u00fc\u00df \"dich\" = 'x' $HOME";

// One world for all tests: an app under test and a neighbour that must not notice.
class InsideTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    why_ = why_no_sandboxes();
    if (why_.empty() && ::access(real_agent().c_str(), X_OK) != 0)
      why_ = "vibed-agent is not built";
    if (!why_.empty()) return;
    world_ = new LocalWorld(real_agent(), 2);
    archive_ = world_->data / "probe.tar.gz";
    auto packed =
        run({"tar", "-czf", archive_, "-C", VIBED_SOURCE_DIR "/tests/sandbox/probe", "."});
    ASSERT_TRUE(packed && packed->status.ok());
    probe_ = serve("probe");
    neighbour_ = serve("neighbour");
  }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }

  void SetUp() override {
    if (!why_.empty()) GTEST_SKIP() << why_;
    ASSERT_NE(world_, nullptr);
  }

  // Whatever was tried: both apps still run where they ran, and the pool has seen nothing.
  void TearDown() override {
    if (world_ == nullptr) return;
    for (const char* app : {"probe", "neighbour"}) {
      const std::string answer = answer_of(app, "alive");
      EXPECT_FALSE(body_of(answer).is_null()) << app << " says " << answer;
    }
    for (const Sandbox& was : {probe_, neighbour_}) {
      auto all = world_->pool->observe(was.app_uid);
      ASSERT_EQ(all.size(), 1U);
      EXPECT_EQ(all[0].id, was.id);
      EXPECT_EQ(all[0].phase, SandboxPhase::listening) << all[0].message;
    }
  }

  static Sandbox serve(const std::string& app) {
    Watcher watcher(*world_->pool);
    auto claimed = world_->pool->claim({app, "uid-" + app, "label-" + app, 1, "python-313"});
    EXPECT_TRUE(claimed);
    if (!claimed) return {};
    auto bound = watcher.until_phase(claimed->id, {SandboxPhase::bound, SandboxPhase::failed});
    EXPECT_EQ(bound.phase, SandboxPhase::bound) << bound.message;
    EXPECT_TRUE(world_->pool->inject(claimed->id, {archive_, "", {{"GREETING", kGreeting}}}));
    auto sandbox =
        watcher.until_phase(claimed->id, {SandboxPhase::listening, SandboxPhase::failed});
    EXPECT_EQ(sandbox.phase, SandboxPhase::listening) << sandbox.reason << sandbox.message;
    EXPECT_TRUE(world_->pool->expose("label-" + app, claimed->id));
    return sandbox;
  }

  static std::string answer_of(const std::string& app, const std::string& what) {
    return talk(world_->data / ("run/apps/label-" + app + ".sock"),
                "GET /" + what + " HTTP/1.0\r\nHost: x\r\n\r\n");
  }

  static json body_of(const std::string& answer) {
    std::size_t body = answer.find("\r\n\r\n");
    if (body == std::string::npos) return nullptr;
    json value = json::parse(answer.substr(body + 4), nullptr, false);
    return value.is_discarded() ? json(nullptr) : value;
  }

  // The probe's answer; nothing may have escaped.
  static json probe(const std::string& what) {
    json answer = body_of(answer_of("probe", what));
    EXPECT_TRUE(answer.is_object()) << what;
    if (!answer.is_object()) return json::object();
    EXPECT_TRUE(answer["escaped"].empty()) << what << ": " << answer.dump();
    EXPECT_FALSE(answer.contains("error")) << what << ": " << answer.dump();
    return answer["seen"];
  }

  static std::string why_;
  static LocalWorld* world_;
  static std::string archive_;
  static Sandbox probe_;
  static Sandbox neighbour_;
};

std::string InsideTest::why_;
LocalWorld* InsideTest::world_ = nullptr;
std::string InsideTest::archive_;
Sandbox InsideTest::probe_;
Sandbox InsideTest::neighbour_;

TEST_F(InsideTest, AnOrdinaryAppHasWhatItNeeds) { probe("ordinary"); }

TEST_F(InsideTest, ItsEnvironmentIsItsOwnAndItsTemplates) {
  json seen = probe("environment");
  EXPECT_EQ(seen["GREETING"], kGreeting);
  EXPECT_EQ(seen["HOME"], "/workspace");
  EXPECT_EQ(seen["PORT"], "8080");
  std::set<std::string> known = {"GREETING", "HOME",  "PORT", "HOST",   "PATH", "USER",
                                 "LOGNAME",  "SHELL", "LANG", "TMPDIR", "PWD",  "LC_CTYPE"};
  for (const auto& [name, value] : seen.items()) EXPECT_TRUE(known.contains(name)) << name;
}

// The largest that the API lets through, some of which JSON makes six times as long.
TEST_F(InsideTest, AnEnvironmentOf256KiBArrivesWhole) {
  std::vector<EnvVar> env = {{"LARGE", std::string(120 * 1024, 'x')}};
  std::string odd;
  while (odd.size() < 34 * 1024 - 10) odd += "\"\n\x07";
  for (const char* name : {"A", "B", "C", "D"}) env.push_back({name, odd});
  Watcher watcher(*world_->pool);
  auto claimed = world_->pool->claim({"large", "uid-large", "label-large", 1, "python-313"});
  ASSERT_TRUE(claimed);
  watcher.until_phase(claimed->id, {SandboxPhase::bound, SandboxPhase::failed});
  ASSERT_TRUE(world_->pool->inject(claimed->id, {archive_, "", env}));
  auto sandbox = watcher.until_phase(claimed->id, {SandboxPhase::listening, SandboxPhase::failed});
  ASSERT_EQ(sandbox.phase, SandboxPhase::listening) << sandbox.reason << sandbox.message;
  ASSERT_TRUE(world_->pool->expose("label-large", claimed->id));
  json seen = body_of(answer_of("large", "environment"))["seen"];
  for (const EnvVar& variable : env)
    EXPECT_EQ(seen[variable.name], variable.value) << variable.name;
  EXPECT_TRUE(world_->pool->release(claimed->id));
}

TEST_F(InsideTest, ItSeesNoProcessButItsOwn) {
  json seen = probe("processes");
  EXPECT_GE(seen.size(), 2U);
  for (const auto& [pid, command] : seen.items()) {
    std::string text = command;
    bool own = text.find("agent") != std::string::npos || text.find("app.py") != std::string::npos;
    EXPECT_TRUE(own) << pid << " " << text;
  }
}

TEST_F(InsideTest, ItReadsNothingOfTheHostOrOfItsNeighbours) {
  std::string data = world_->data.path();
  std::string neighbour = data + "/run/sandboxes/" + neighbour_.id;
  probe("read_paths?" + data + "," + data + "/run," + archive_ + "," + neighbour + "/state.json," +
        neighbour +
        ",/root,/home,/work,/boot,/srv,/mnt,/sys,/var/lib,/etc/shadow,/proc/kcore,"
        "/run/dbus," VIBED_SOURCE_DIR "," VIBED_BINARY_DIR);
}

TEST_F(InsideTest, ItReachesNoSocketOfTheHostOrOfItsNeighbours) {
  std::string run = world_->data / "run";
  probe("connect_paths?" + run + "/sandboxes/" + neighbour_.id + "/control.sock," + run +
        "/sandboxes/" + neighbour_.id + "/app.sock," + run + "/apps/label-neighbour.sock," + run +
        "/sandboxes/" + probe_.id + "/control.sock,/run/docker.sock,/run/systemd/private");
}

TEST_F(InsideTest, ItWritesNowhereButInItsOwnFolders) { probe("write_paths"); }

TEST_F(InsideTest, ItInheritsNoDescriptorButItsOwnThree) {
  json seen = probe("descriptors");
  EXPECT_GE(seen.size(), 2U);
  for (const auto& [fd, target] : seen.items()) {
    std::string text = target;
    bool standard = fd == "0" || fd == "1" || fd == "2";
    EXPECT_TRUE(standard) << fd << " " << text;
    EXPECT_TRUE(text.starts_with("pipe:") || text == "/dev/null" || text.starts_with("socket:"))
        << fd << " " << text;
  }
}

TEST_F(InsideTest, ItHasNoNetworkButItsOwnLoopback) {
  testing::Bound bound = testing::bind_to_loopback();
  ASSERT_EQ(::listen(bound.fd.get(), 1), 0);
  json seen = probe("network?" + std::to_string(bound.port));
  EXPECT_EQ(seen["interfaces"], json::array({"lo"}));
  EXPECT_TRUE(seen["localhost"].dump().find("127.0.0.1") != std::string::npos) << seen.dump();
}

TEST_F(InsideTest, AForkBombStopsAtTheLimit) {
  json seen = probe("fork_bomb");
  EXPECT_LE(seen["forks"].get<int>(), 256) << limits_in_force().processes;
}

TEST_F(InsideTest, ItsDisksHaveAnEnd) { probe("fill_disk?" + std::to_string(100LL * 1024 * 1024)); }

TEST_F(InsideTest, ItsMemoryHasAnEnd) {
  json seen = probe("exhaust_memory?" + std::to_string(1024LL * 1024 * 1024));
  SCOPED_TRACE(limits_in_force().memory);
  EXPECT_NE(seen["status"], 0);
}

TEST_F(InsideTest, ItCannotTraceItsAgent) { probe("trace"); }

TEST_F(InsideTest, ItCannotMountUnshareOrUseKeys) {
  json seen = probe("privileges");
  EXPECT_EQ(seen["uid"], 1000);
}

TEST_F(InsideTest, ItCannotDriveItsAgent) { probe("drive_agent"); }

TEST_F(InsideTest, ItCannotSignalItsAgent) { probe("signal_agent"); }

TEST_F(InsideTest, TheAgentRefusesWhoHasNoToken) {
  std::string control = world_->data / ("run/sandboxes/" + probe_.id + "/control.sock");
  for (const char* path :
       {"GET /status", "GET /logs", "GET /events", "POST /stop", "POST /drain"}) {
    std::string answer = talk(control, std::string(path) +
                                           " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                           "Content-Length: 0\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 401")) << path << ": " << answer;
  }
}

TEST_F(InsideTest, ItsLogIsRead) {
  auto stream = world_->pool->logs(probe_.id, {50, false});
  ASSERT_TRUE(stream);
  auto line = (*stream)->next({}, std::chrono::steady_clock::now() + 10s);
  EXPECT_TRUE(line) << line.error().message;
}

// As root every sandbox has a uid of its own and cgroups bound it; most users are not root.
TEST(OrdinaryUser, PassesTheSameTests) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root: this is an ordinary user's run already";
  if (std::string why = why_no_sandboxes(); !why.empty()) GTEST_SKIP() << why;
  RunOptions options;
  options.identity = Identity{1501, 1501};
  options.timeout = 200s;
  options.cwd = "/tmp";
  options.env = std::vector<std::string>{"PATH=/usr/bin:/bin", "HOME=/tmp"};
  std::string self = fs::read_symlink("/proc/self/exe");
  auto done = run({self, "--gtest_filter=InsideTest.*:LocalPoolTest.*:*local*"}, options);
  if (!done && done.error().code == Errc::permission_denied)
    GTEST_SKIP() << "another user cannot enter the build folder";
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->status.ok()) << done->out.substr(0, 20000) << done->err;
}

}  // namespace
}  // namespace vibed::sandbox
