// What only the store on disk promises: what is durable, and at which price.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "sql/sqlite.hpp"
#include "support/small_disk.hpp"
#include "support/temp_dir.hpp"
#include "vibed/app_store.hpp"

namespace {
std::atomic<int> g_syncs = 0;
}

// SQLite finds these before those of libc, so that a test can count.
extern "C" int fdatasync(int fd) {
  ++g_syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
extern "C" int fsync(int fd) {
  ++g_syncs;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace vibed {
namespace {

App make_app(const std::string& name) {
  App app;
  app.name = name;
  app.spec.owner = "admin";
  app.spec.lane = "general";
  return app;
}

std::unique_ptr<AppStore> open(const std::string& path) {
  auto opened = open_sqlite_app_store(path, "vibed-apps");
  if (!opened) std::fprintf(stderr, "%s\n", opened.error().message.c_str());
  return opened ? std::move(*opened) : nullptr;
}

template <class Action>
int syncs_of(Action action) {
  int before = g_syncs;
  action();
  return g_syncs - before;
}

TEST(SqliteAppStore, ASpecWriteIsOneSyncAndAStatusWriteNone) {
  testing::TempDir dir;
  auto store = open(dir / "db");
  App first = *store->create(make_app("first"));  // starts the log: its header is synced too
  for (int i = 0; i < 20; ++i) {
    std::string name = "a" + std::to_string(i);
    EXPECT_EQ(syncs_of([&] { ASSERT_TRUE(store->create(make_app(name))); }), 1);
  }
  AppStatus status;
  for (int i = 1; i <= 20; ++i) {
    status.observed_generation = i;
    EXPECT_EQ(syncs_of([&] { ASSERT_TRUE(store->write_status("first", first.uid, status)); }), 0);
  }
  EXPECT_EQ(syncs_of([&] { ASSERT_TRUE(store->remove("first")); }), 1);
  EXPECT_EQ(syncs_of([&] { ASSERT_TRUE(store->finish_remove("first", first.uid)); }), 0);
}

TEST(SqliteAppStore, ARecordIsTheSameAfterReopening) {
  testing::TempDir dir;
  App app;
  std::int64_t gone = 0;
  {
    auto store = open(dir / "db");
    app = *store->create(make_app("a"));
    AppStatus status;
    status.phase = Phase::ready;
    app = *store->write_status("a", app.uid, status);
    App b = *store->create(make_app("b"));
    ASSERT_TRUE(store->remove("b"));
    ASSERT_TRUE(store->finish_remove("b", b.uid));
    gone = b.resource_version;
  }
  auto store = open(dir / "db");
  EXPECT_EQ(*store->get("a"), app);
  auto watch = store->watch(gone);
  auto event = watch->next({}, std::chrono::steady_clock::now());
  ASSERT_TRUE(event) << event.error().message;
  EXPECT_TRUE(event->gone) << "a watch resumes across a restart";
  EXPECT_GT(store->create(make_app("c"))->resource_version, event->app.resource_version);
}

TEST(SqliteAppStore, ADatabaseWithAppsOfAnotherSpaceIsRefused) {
  testing::TempDir dir;
  ASSERT_TRUE(open(dir / "db"));
  EXPECT_TRUE(open_sqlite_app_store(dir / "db", "other")) << "nothing is in it yet";
  ASSERT_TRUE(open(dir / "db")->create(make_app("a")));
  auto other = open_sqlite_app_store(dir / "db", "other");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, "bad_config");
}

TEST(SqliteAppStore, ADatabaseOfANewerVersionIsRefusedAndLeftAlone) {
  testing::TempDir dir;
  ASSERT_TRUE(open(dir / "db")->create(make_app("a")));
  {
    auto db = sql::Connection::open(dir / "db");
    ASSERT_TRUE(db->run_script("PRAGMA user_version = 99"));
  }
  auto refused = open_sqlite_app_store(dir / "db", "vibed-apps");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_EQ(refused.error().reason, "data_too_new");
  auto db = sql::Connection::open(dir / "db");
  EXPECT_EQ(*db->number("PRAGMA user_version"), 99);
  EXPECT_EQ(*db->number("SELECT count(*) FROM apps"), 1);
}

TEST(SqliteAppStore, ADamagedRecordIsAnErrorAndTheOthersAreReadable) {
  testing::TempDir dir;
  auto store = open(dir / "db");
  ASSERT_TRUE(store->create(make_app("a")));
  ASSERT_TRUE(store->create(make_app("b")));
  {
    auto db = sql::Connection::open(dir / "db");
    ASSERT_TRUE(db->run("UPDATE apps SET object = '{' WHERE name = 'a'"));
  }
  EXPECT_EQ(store->get("a").error().code, Errc::internal);
  EXPECT_TRUE(store->get("b"));
  EXPECT_EQ(store->list("", 0, 0)->items.size(), 1u);
  EXPECT_EQ(store->list("", 0, 0)->total, 2);
  auto watch = store->watch(0);
  EXPECT_EQ(watch->next({}, std::chrono::steady_clock::now())->app.name, "b");
}

TEST(SqliteAppStore, AFullDiskIsStorageFullAndWhatWasAcknowledgedStays) {
  testing::TempDir dir;
  bool mounted = testing::with_small_disk(dir.path(), [&] {
    std::ofstream(dir / "ballast") << std::string(200'000, 'x');
    auto store = open(dir / "db");
    std::int64_t written = 0;
    Result<App> last = make_app("none");
    while ((last = store->create(make_app("a" + std::to_string(written))))) ++written;
    EXPECT_EQ(last.error().reason, "storage_full") << last.error().message;
    EXPECT_GT(written, 10);
    EXPECT_EQ(store->list("", 0, 0)->total, written);
    EXPECT_FALSE(store->get("a" + std::to_string(written)));
    std::filesystem::remove(dir / "ballast");
    EXPECT_TRUE(store->create(make_app("after"))) << "there is space again";
    store = open(dir / "db");
    EXPECT_EQ(store->list("", 0, 0)->total, written + 1);
  });
  if (!mounted) GTEST_SKIP() << "only root can mount a small disk";
}

// Writes for ever: names that were acknowledged go, one a line, into `acknowledged`.
[[noreturn]] void write_until_killed(const std::string& path, int round, int acknowledged) {
  auto store = open(path);
  if (!store) _exit(3);
  auto tell = [&](const std::string& line) {
    if (::write(acknowledged, line.data(), line.size()) < 0) _exit(4);
  };
  std::thread statuses([&] {
    App app = *store->create(make_app("noisy-" + std::to_string(round)));
    AppStatus status;
    for (;; ++status.observed_generation) {
      if (!store->write_status(app.name, app.uid, status)) _exit(5);
    }
  });
  std::vector<std::thread> creators;
  for (int t = 0; t < 3; ++t) {
    creators.emplace_back([&, t] {
      for (int i = 0;; ++i) {
        std::string name =
            "r" + std::to_string(round) + "-" + std::to_string(t) + "-" + std::to_string(i);
        auto app = store->create(make_app(name));
        if (!app) _exit(6);
        tell(name + " 1\n");
        app->spec.entrypoint = std::string(3000, 'x');  // spills over pages
        app = store->write_spec(*app);
        if (!app) _exit(7);
        tell(name + " 2\n");
      }
    });
  }
  for (;;) ::pause();
}

TEST(SqliteAppStore, WhatWasAcknowledgedIsThereAfterKill9InMidWrite) {
  testing::TempDir dir;
  std::map<std::string, std::int64_t> acknowledged;
  for (int round = 0; round < 4; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe[0]);
      write_until_killed(dir / "db", round, pipe[1]);
    }
    ::close(pipe[1]);
    std::string told;
    char buffer[512];
    // Some rounds are killed early, some late enough for a checkpoint to be under way.
    std::size_t enough = round % 2 == 0 ? 200 : 4000;
    while (told.size() < enough) {
      ssize_t count = ::read(pipe[0], buffer, sizeof buffer);
      ASSERT_GT(count, 0) << "the writer ended by itself";
      told.append(buffer, static_cast<std::size_t>(count));
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    for (ssize_t count; (count = ::read(pipe[0], buffer, sizeof buffer)) > 0;) {
      told.append(buffer, static_cast<std::size_t>(count));
    }
    ::close(pipe[0]);
    std::istringstream lines(told);
    std::string name;
    for (std::int64_t generation; lines >> name >> generation;) {
      acknowledged[name] = generation;
    }
    auto store = open(dir / "db");
    ASSERT_TRUE(store);
    for (const auto& [app, generation] : acknowledged) {
      auto record = store->get(app);
      ASSERT_TRUE(record) << app;
      EXPECT_GE(record->generation, generation) << app;
    }
    EXPECT_GE(store->list("", 1, 0)->total, std::ssize(acknowledged));
    auto db = sql::Connection::open(dir / "db");
    auto check = db->query("PRAGMA integrity_check");
    ASSERT_TRUE(*check->next());
    EXPECT_EQ(check->text(0), "ok");
  }
}

}  // namespace
}  // namespace vibed
