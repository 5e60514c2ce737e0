// What only the store in a folder promises: durability, privacy, and nothing left behind.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "support/small_disk.hpp"
#include "support/temp_dir.hpp"
#include "vibed/source_store.hpp"

namespace {
std::atomic<int> g_syncs = 0;
}

extern "C" int fsync(int fd) {
  ++g_syncs;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace vibed {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<SourceStore> open(const std::string& root, const std::string& url = "") {
  auto opened = open_served_source_store(root, url);
  EXPECT_TRUE(opened) << opened.error().message;
  return opened ? std::move(*opened) : nullptr;
}

Result<StoredSource> put(SourceStore& store, const std::string& bytes) {
  auto source = make_memory_source(bytes);
  return store.put("app", 1, *source);
}

std::ptrdiff_t files_in(const std::string& root) {
  return std::distance(fs::directory_iterator(root), {});
}

// Gives one buffer, says so, and gives the rest when it is let go.
class StallingSource final : public ByteSource {
 public:
  Result<std::size_t> read(std::span<char> buffer) override {
    std::unique_lock lock(mutex_);
    if (reads_++ == 0) return fill(buffer);
    stalled_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return released_; });
    return reads_ == 2 ? fill(buffer) : Result<std::size_t>(std::size_t{0});
  }

  void wait_until_stalled() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stalled_; });
  }

  void release() {
    std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

 private:
  static Result<std::size_t> fill(std::span<char> buffer) {
    std::fill(buffer.begin(), buffer.end(), 'x');
    return buffer.size();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int reads_ = 0;
  bool stalled_ = false;
  bool released_ = false;
};

TEST(ServedSourceStore, ASourceAndItsFolderAreSyncedAndPrivate) {
  testing::TempDir dir;
  auto store = open(dir / "sources");
  int before = g_syncs;
  auto stored = put(*store, "hello");
  EXPECT_EQ(g_syncs - before, 2);
  struct stat info {};
  ASSERT_EQ(::stat((dir / "sources/" + stored->key + ".tar.gz").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat((dir / "sources").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_EQ(files_in(dir / "sources"), 1);
}

TEST(ServedSourceStore, SourcesAreThereAfterReopeningAndForeignFilesAreNotListed) {
  testing::TempDir dir;
  StoredSource stored = *put(*open(dir / "sources"), "hello");
  {
    std::FILE* foreign = std::fopen((dir / "sources/README").c_str(), "w");
    std::fclose(foreign);
  }
  auto store = open(dir / "sources");
  stored.sha256.clear();
  EXPECT_EQ(*store->list(), std::vector{stored});
  EXPECT_TRUE(fs::exists(dir / "sources/README"));
}

TEST(ServedSourceStore, AUrlIsMintedFromTheBaseAndOnlyForWhatIsThere) {
  testing::TempDir dir;
  auto store = open(dir / "sources", "http://127.0.0.1:1//");
  auto stored = put(*store, "hello");
  EXPECT_EQ(*store->url(stored->key, std::chrono::seconds(1)),
            "http://127.0.0.1:1/internal/sources/" + stored->key + ".tar.gz");
  ASSERT_TRUE(store->remove(stored->key));
  EXPECT_EQ(store->url(stored->key, {}).error().code, Errc::not_found);
  auto private_store = open(dir / "sources");
  EXPECT_EQ(private_store->url(stored->key, {}).error().code, Errc::unavailable);
}

TEST(ServedSourceStore, WhatAKilledWriterLeftIsRemovedAtTheNextOpen) {
  testing::TempDir dir;
  ASSERT_TRUE(open(dir / "sources"));
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto store = open_served_source_store(dir / "sources", "");
    StallingSource source;
    std::thread writer([&] { (void)(*store)->put("app", 1, source); });
    source.wait_until_stalled();
    if (::write(pipe[1], "x", 1) != 1) _exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(pipe[0], &byte, 1), 1);
  ASSERT_EQ(files_in(dir / "sources"), 1);
  ASSERT_TRUE(open(dir / "sources"));
  EXPECT_EQ(files_in(dir / "sources"), 1) << "its writer lives";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
  auto store = open(dir / "sources");
  EXPECT_EQ(files_in(dir / "sources"), 0);
  EXPECT_TRUE(put(*store, "hello"));
}

TEST(ServedSourceStore, AnotherOpenDoesNotDisturbAnUpload) {
  testing::TempDir dir;
  auto store = open(dir / "sources");
  StallingSource source;
  std::thread writer([&] {
    auto stored = store->put("app", 1, source);
    EXPECT_TRUE(stored) << stored.error().message;
  });
  source.wait_until_stalled();
  auto other = open(dir / "sources");
  EXPECT_TRUE(other->list()->empty()) << "an unfinished upload is no source yet";
  source.release();
  writer.join();
  EXPECT_EQ(other->list()->size(), 1u);
}

TEST(ServedSourceStore, AFullDiskIsStorageFullAndLeavesNothing) {
  testing::TempDir dir;
  bool mounted = testing::with_small_disk(dir.path(), [&] {
    auto store = open(dir / "sources");
    auto small = put(*store, std::string(300'000, 'x'));
    EXPECT_TRUE(small);
    auto large = put(*store, std::string(2'000'000, 'x'));
    EXPECT_FALSE(large);
    EXPECT_EQ(large ? "" : large.error().reason, "storage_full");
    EXPECT_EQ(files_in(dir / "sources"), 1);
    EXPECT_TRUE(put(*store, std::string(300'000, 'y'))) << "the space is free again";
  });
  if (!mounted) GTEST_SKIP() << "only root can mount a small disk; the next test is for the others";
}

TEST(ServedSourceStore, AFileSizeLimitIsStorageFullAndLeavesNothing) {
  testing::TempDir dir;
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{100'000, 100'000};
    auto store = open_served_source_store(dir / "sources", "");
    if (!store || ::setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
    auto large = put(**store, std::string(200'000, 'x'));
    _exit(!large && large.error().reason == "storage_full" ? 0 : 2);
  }
  int state = 0;
  ASSERT_EQ(::waitpid(child, &state, 0), child);
  EXPECT_TRUE(WIFEXITED(state) && WEXITSTATUS(state) == 0) << state;
  EXPECT_EQ(files_in(dir / "sources"), 0);
}

TEST(ServedSourceStore, ARootThatIsAFileIsAnError) {
  testing::TempDir dir;
  {
    std::FILE* file = std::fopen((dir / "sources").c_str(), "w");
    std::fclose(file);
  }
  EXPECT_FALSE(open_served_source_store(dir / "sources", ""));
}

}  // namespace
}  // namespace vibed
