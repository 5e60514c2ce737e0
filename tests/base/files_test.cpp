#include "base/files.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/fd.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

TEST(Files, AWrittenFileIsReadBackAndLeavesNoTemporary) {
  testing::TempDir dir;
  ASSERT_TRUE(write_file(dir / "a", "hello", Durability::synced));
  ASSERT_TRUE(write_file(dir / "a", "again", Durability::unsynced));
  EXPECT_EQ(*read_file(dir / "a", 100), "again");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(Files, AMissingFileIsNotFound) {
  testing::TempDir dir;
  EXPECT_EQ(read_file(dir / "none", 100).error().code, Errc::not_found);
}

TEST(Files, AFileOverTheLimitIsRefused) {
  testing::TempDir dir;
  ASSERT_TRUE(write_file(dir / "a", std::string(101, 'x'), Durability::unsynced));
  EXPECT_EQ(read_file(dir / "a", 100).error().code, Errc::resource_exhausted);
}

// A full pipe whose writer gets signals: writes that are short, and writes that are interrupted.
TEST(Files, WriteAllWritesEverythingThroughShortAndInterruptedWrites) {
  static std::atomic<int> signals;
  signals = 0;
  struct sigaction count_it {};
  struct sigaction before {};
  count_it.sa_handler = [](int) { ++signals; };  // without SA_RESTART
  ASSERT_EQ(::sigaction(SIGUSR1, &count_it, &before), 0);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  const int capacity = ::fcntl(ends[1], F_GETPIPE_SZ);
  const std::string sent(3 * static_cast<std::size_t>(capacity), 'x');
  Status written = success();
  std::atomic<bool> ended{false};
  std::thread thread([&] {
    written = write_all(writer.get(), sent, "fill the pipe");
    writer.reset();
    ended = true;
  });
  for (int held = 0; held < capacity;) ::ioctl(reader.get(), FIONREAD, &held);
  for (int i = 0; i < 100; ++i) {
    ::pthread_kill(thread.native_handle(), SIGUSR1);
    while (signals <= i && !ended) std::this_thread::yield();
  }
  std::string received(sent.size() + 1, '\0');
  std::size_t size = 0;
  for (ssize_t count = 1; count > 0; size += static_cast<std::size_t>(count)) {
    count = ::read(reader.get(), received.data() + size, received.size() - size);
    ASSERT_GE(count, 0);
  }
  thread.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_TRUE(written);
  EXPECT_EQ(size, sent.size());
}

TEST(Files, AnErrorOfWriteAllNamesWhatWasBeingDone) {
  Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  Status written = write_all(full.get(), "x", "keep the upload");
  EXPECT_EQ(written.error().reason, "storage_full");
  EXPECT_TRUE(written.error().message.starts_with("keep the upload: ")) << written.error().message;
}

TEST(Files, FoldersAreMadeWithTheirParentsAndTwice) {
  testing::TempDir dir;
  ASSERT_TRUE(make_directories(dir / "a/b/c"));
  ASSERT_TRUE(make_directories(dir / "a/b/c"));
  ASSERT_TRUE(write_file(dir / "file", "", Durability::unsynced));
  EXPECT_FALSE(make_directories(dir / "file/x"));
}

}  // namespace
}  // namespace vibed
