// The small parts of the local pool: cgroups, uids, upstreams, the loop, the shared files.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <set>
#include <sstream>

#include "sandbox/cgroup.hpp"
#include "sandbox/cgroup_division.hpp"
#include "sandbox/event_loop.hpp"
#include "sandbox/go_cache.hpp"
#include "sandbox/share.hpp"
#include "sandbox/uid_range.hpp"
#include "sandbox/upstreams.hpp"
#include "sandbox/work_crew.hpp"
#include "support/temp_dir.hpp"

namespace vibed::sandbox {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using vibed::testing::TempDir;

std::string contents(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void put(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}

// A folder that looks like a hierarchy of cgroups, with `files` in the cgroup that will be made.
void fake_cgroup(const std::string& folder, const std::vector<std::string>& files) {
  for (const std::string& file : files) put(folder + "/" + file, "");
  put(folder + "/cgroup.procs", "");
}

TEST(Cgroups, VersionOneGetsAFolderInEachHierarchy) {
  TempDir root;
  fake_cgroup(root / "memory/own/vibed/x", {"memory.limit_in_bytes"});
  fake_cgroup(root / "pids/vibed/x", {"pids.max"});
  fake_cgroup(root / "cpu,cpuacct/vibed/x", {"cpu.cfs_period_us", "cpu.cfs_quota_us"});
  fs::create_symlink(root / "cpu,cpuacct", root / "cpu");
  auto found = Cgroups::detect(root.path(), "4:memory:/own\n8:pids:/\n2:cpu,cpuacct:/\n0::/\n");
  EXPECT_TRUE(found.memory() && found.processes() && found.cpu());
  EXPECT_FALSE(found.unified());
  auto made = found.make("x", {1000, 20, 0.5});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->folders.size(), 3U);
  EXPECT_EQ(made->procs.size(), 3U);
  EXPECT_EQ(contents(root / "memory/own/vibed/x/memory.limit_in_bytes"), "1000");
  EXPECT_EQ(contents(root / "pids/vibed/x/pids.max"), "20");
  EXPECT_EQ(contents(root / "cpu/vibed/x/cpu.cfs_quota_us"), "50000");
}

TEST(Cgroups, VersionTwoIsUsedWhereControllersAreHandedOn) {
  for (const char* own : {"/unit", "/unit/vibed"}) {
    TempDir root;
    std::string all = root / "unit/sandboxes";
    put(root / "unit/cgroup.subtree_control", "cpu memory pids\n");
    put(root / "unit/vibed/cgroup.subtree_control", "");
    put(all + "/cgroup.subtree_control", "");
    fake_cgroup(all + "/x", {"memory.max", "memory.swap.max", "pids.max", "cpu.max"});
    auto found = Cgroups::detect(root.path(), std::string("0::") + own + "\n");
    EXPECT_TRUE(found.memory() && found.processes() && found.cpu() && found.unified()) << own;
    auto made = found.make("x", {1000, 20, 2.0});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->folders, std::vector<std::string>{all + "/x"});
    EXPECT_EQ(contents(all + "/x/memory.max"), "1000");
    EXPECT_EQ(contents(all + "/x/memory.swap.max"), "0");
    EXPECT_EQ(contents(all + "/x/pids.max"), "20");
    EXPECT_EQ(contents(all + "/x/cpu.max"), "200000 100000");
    // Taken back and handed on again, as around a restart under an older systemd.
    put(all + "/x/memory.max", "max");
    put(root / "elsewhere/x/memory.max", "max");
    ASSERT_TRUE(found.renew({all + "/x", root / "elsewhere/x"}, {1000, 20, 2.0}));
    EXPECT_EQ(contents(all + "/x/memory.max"), "1000");
    EXPECT_EQ(contents(root / "elsewhere/x/memory.max"), "max");
  }
}

TEST(CgroupDivision, IsOfTheCgroupAboveTheLeaf) {
  EXPECT_EQ(delegated_path("/system.slice/vibed.service"), "/system.slice/vibed.service");
  EXPECT_EQ(delegated_path("/system.slice/vibed.service/vibed"), "/system.slice/vibed.service");
  EXPECT_EQ(delegated_path("/vibed"), "/");
  EXPECT_EQ(delegated_path("/"), "/");
  EXPECT_EQ(delegated_path("/x/notvibed"), "/x/notvibed");
}

struct DivisionCase {
  const char* what;
  DelegatedCgroup found;
  CgroupDivision expected;
};

TEST(CgroupDivision, MovesAndEnablesWhatIsMissingAndLeavesAloneWhatIsShared) {
  const std::string all = "cpuset cpu io memory pids\n";
  const std::vector<std::string> three = {"+memory", "+pids", "+cpu"};
  const std::string not_ours = "it is not delegated (not writable)";
  for (const DivisionCase& one :
       {DivisionCase{"a fresh unit", {false, true, all, "", {7}, 7}, {"", true, three}},
        DivisionCase{
            "the manager put us into the leaf", {true, true, all, "", {}, 7}, {"", false, three}},
        DivisionCase{"a predecessor divided it",
                     {true, true, all, "cpu memory pids", {}, 7},
                     {"", false, {}}},
        DivisionCase{"started anew above what a predecessor made",
                     {false, true, all, "pids", {7}, 7},
                     {"", true, {"+memory", "+cpu"}}},
        DivisionCase{
            "not all controllers", {false, true, "pids", "", {7}, 7}, {"", true, {"+pids"}}},
        DivisionCase{"no controllers",
                     {false, true, "hugetlb", "", {7}, 7},
                     {"it has none of memory, pids and cpu", false, {}}},
        DivisionCase{"somebody else's", {false, false, all, "", {7}, 7}, {not_ours, false, {}}},
        DivisionCase{"a session",
                     {false, true, all, "", {3, 7}, 7},
                     {"it is shared with other processes (3)", false, {}}},
        DivisionCase{"a leaf of that name in a session",
                     {true, true, all, "", {3}, 7},
                     {"it is shared with other processes (3)", false, {}}}}) {
    CgroupDivision plan = plan_division(one.found);
    EXPECT_EQ(plan.obstacle, one.expected.obstacle) << one.what;
    EXPECT_EQ(plan.move, one.expected.move) << one.what;
    EXPECT_EQ(plan.enable, one.expected.enable) << one.what;
  }
}

// The files of a real kernel are tried in tests/systemd.
TEST(CgroupDivision, WritesWhatWasPlanned) {
  TempDir root;
  put(root / "unit/cgroup.controllers", "memory\n");
  put(root / "unit/cgroup.subtree_control", "");
  put(root / "unit/cgroup.procs", std::to_string(::getpid()) + "\n");
  put(root / "unit/vibed/cgroup.procs", "");
  Status divided = divide_own_cgroup(root.path(), "0::/unit\n");
  ASSERT_TRUE(divided) << divided.error().message;
  EXPECT_EQ(contents(root / "unit/vibed/cgroup.procs"), std::to_string(::getpid()));
  EXPECT_EQ(contents(root / "unit/cgroup.subtree_control"), "+memory");
  EXPECT_TRUE(fs::is_directory(root / "unit/sandboxes"));
}

TEST(CgroupDivision, WithoutVersionTwoSaysSoAndChangesNothing) {
  TempDir root;
  EXPECT_EQ(divide_own_cgroup(root.path(), "4:memory:/own\n").error().code, Errc::unavailable);
  EXPECT_EQ(divide_own_cgroup(root.path(), "0::/unit\n").error().code, Errc::unavailable);
  EXPECT_TRUE(fs::is_empty(root.path()));
}

TEST(Cgroups, WhereNothingMayBeMadeThereIsNone) {
  TempDir root;
  auto found = Cgroups::detect(root.path(), "4:memory:/own\n0::/\n");
  EXPECT_FALSE(found.memory() || found.processes() || found.cpu());
  auto made = found.make("x", {1000, 20, 1});
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->procs.empty());
}

TEST(Cgroups, DoctorIsToldTheMechanism) {
  auto limits = limits_in_force();
  EXPECT_NE(limits.memory, "");
  EXPECT_NE(limits.processes, "");
  EXPECT_NE(limits.cpu, "");
  EXPECT_EQ(limits.advice.empty(), limits.memory.starts_with("cgroup") &&
                                       limits.processes.starts_with("cgroup") &&
                                       limits.cpu.starts_with("cgroup"));
}

TEST(UidRange, GivesEachNumberOnceAndSkipsTakenOnes) {
  UidRange range(10, 13, "seed", [](uid_t uid) { return uid == 12; });
  std::set<uid_t> given;
  for (int i = 0; i < 3; ++i) {
    auto uid = range.take();
    ASSERT_TRUE(uid);
    given.insert(*uid);
  }
  EXPECT_EQ(given, (std::set<uid_t>{10, 11, 13}));
  EXPECT_EQ(range.take().error().reason, "pool_exhausted");
  range.put_back(11);
  EXPECT_EQ(*range.take(), 11U);
}

TEST(UidRange, AnAdoptedNumberIsNotGivenOut) {
  UidRange range(10, 11, "seed", [](uid_t) { return false; });
  range.mark(10);
  EXPECT_EQ(*range.take(), 11U);
  EXPECT_FALSE(range.take());
}

TEST(UidRange, AccountsAndRunningProcessesAreTaken) {
  EXPECT_TRUE(uid_is_taken(0));
  EXPECT_TRUE(uid_is_taken(::getuid()));
  EXPECT_FALSE(uid_is_taken(3'999'999'999U));
}

TEST(Upstreams, ALinkMovesAndIsReadBack) {
  TempDir run;
  Upstreams upstreams(run.path());
  ASSERT_TRUE(upstreams.open());
  ASSERT_TRUE(upstreams.move("web", "one"));
  ASSERT_TRUE(upstreams.move("web", "two"));
  EXPECT_EQ(fs::read_symlink(run / "apps/web.sock"), "../sandboxes/two/app.sock");
  upstreams.remove("web", "one");  // not its any more
  EXPECT_EQ(upstreams.current("web"), "two");
  put(run / "apps/not-a-link.sock", "");
  fs::create_symlink("../sandboxes/x/app.sock", run / "apps/.half.tmp");
  Upstreams next(run.path());
  ASSERT_TRUE(next.open());
  EXPECT_EQ(next.all(), (std::map<std::string, std::string>{{"web", "two"}}));
  EXPECT_FALSE(fs::exists(fs::symlink_status(run / "apps/.half.tmp")));
  next.remove("web", "two");
  EXPECT_FALSE(fs::exists(fs::symlink_status(run / "apps/web.sock")));
}

TEST(EventLoop, RunsWhatIsPostedDueOrReadable) {
  auto loop = EventLoop::start();
  ASSERT_TRUE(loop);
  std::promise<void> posted;
  std::promise<void> due;
  (*loop)->post([&] { posted.set_value(); });
  (*loop)->after(1ms, [&] { due.set_value(); });
  EXPECT_EQ(posted.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_EQ(due.get_future().wait_for(10s), std::future_status::ready);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  std::promise<char> got;
  (*loop)->post([&] {
    auto number = std::make_shared<std::uint64_t>(0);
    *number = (*loop)->watch(reader.get(), [&, number] {
      char byte = 0;
      if (::read(reader.get(), &byte, 1) == 1) got.set_value(byte);
      (*loop)->unwatch(*number);
    });
  });
  ASSERT_EQ(::write(writer.get(), "x", 1), 1);
  auto future = got.get_future();
  ASSERT_EQ(future.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(future.get(), 'x');
  (*loop)->stop();
  (*loop)->post([] { FAIL() << "after stop"; });
}

TEST(WorkCrew, WorksInParallelAndFinishesWhatRuns) {
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  int entered = 0;
  {
    WorkCrew crew(3, [&] {
      std::lock_guard lock(mutex);
      ++entered;
    });
    for (int i = 0; i < 3; ++i)
      crew.add([&] {
        std::unique_lock lock(mutex);
        ++running;
        changed.notify_all();
        EXPECT_TRUE(changed.wait_for(lock, 10s, [&] { return running == 3; }));
      });
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, 10s, [&] { return running == 3; }));
  }
  EXPECT_EQ(entered, 3);
}

TEST(Share, IsReadableByEverybodyUnderAnyUmask) {
  TempDir data;
  put(data / "agent", "#!/bin/sh\n");
  put(data / "nginx.conf", "daemon off;");
  mode_t before = ::umask(077);
  auto share = make_share({data / "share", data / "agent", data / "nginx.conf"});
  ::umask(before);
  ASSERT_TRUE(share) << share.error().message;
  struct stat about = {};
  ASSERT_EQ(::stat(share->agent.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0755U);
  for (const char* name : {"passwd", "group", "hosts", "nsswitch.conf", "resolv.conf"}) {
    ASSERT_EQ(::stat((share->etc + "/" + name).c_str(), &about), 0) << name;
    EXPECT_EQ(about.st_mode & 07777, 0644U) << name;
  }
  EXPECT_EQ(contents(share->etc + "/vibed/nginx.conf"), "daemon off;");
  ASSERT_EQ(::stat(share->etc.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0755U);
}

TEST(Share, ANewAgentDoesNotReplaceTheOneInUse) {
  TempDir data;
  put(data / "agent", "one");
  auto first = make_share({data / "share", data / "agent", ""});
  put(data / "agent", "two");
  auto second = make_share({data / "share", data / "agent", ""});
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->agent, second->agent);
  EXPECT_EQ(contents(first->agent), "one");
}

TEST(GoCache, IsNamedByVersionAndPlace) {
  Runtime go{"go", "/usr/local/go/bin/go", "go1.26.8", {}, {}};
  Runtime other = go;
  other.program = "/opt/go/bin/go";
  EXPECT_TRUE(go_cache_name(go).starts_with("go-go1.26.8-"));
  EXPECT_NE(go_cache_name(go), go_cache_name(other));
  TempDir cache;
  EXPECT_FALSE(go_cache_ready(cache.path(), go));
  put(cache.path() + "/" + go_cache_name(go) + "/.complete", "");
  EXPECT_TRUE(go_cache_ready(cache.path(), go));
}

TEST(GoCache, ABuildThatFailsOrIsStoppedIsNotComplete) {
  TempDir cache;
  Runtime go{"go", "/bin/false", "go0", {}, {}};
  EXPECT_EQ(build_go_cache(cache.path(), go, {}).error().code, Errc::unavailable);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(build_go_cache(cache.path(), go, stop.get_token()).error().code, Errc::cancelled);
  EXPECT_FALSE(go_cache_ready(cache.path(), go));
}

}  // namespace
}  // namespace vibed::sandbox
