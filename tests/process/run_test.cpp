#include "process/run.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace vibed {
namespace {

using namespace std::chrono_literals;

TEST(Run, TellsOutputErrorsAndStatusApart) {
  auto result = run({"sh", "-c", "echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_EQ(result->status, (ExitStatus{3, 0}));
}

TEST(Run, TellsWhichSignalEndedTheProgram) {
  auto result = run({"sh", "-c", "kill -9 $$"});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, (ExitStatus{-1, 9}));
}

TEST(Run, AProgramThatIsNotThereIsNotFound) {
  EXPECT_EQ(run({"no-such-program-here"}).error().code, Errc::not_found);
  EXPECT_EQ(run({"/no/such/program"}).error().code, Errc::not_found);
  EXPECT_EQ(run({"/etc/passwd"}).error().code, Errc::permission_denied);
  EXPECT_EQ(run({}).error().code, Errc::invalid_argument);
}

TEST(Run, PastItsTimeItIsKilledWithAllItStarted) {
  auto started = std::chrono::steady_clock::now();
  auto result = run({"sh", "-c", "sleep 100 & sleep 100"}, {.timeout = 50ms});
  EXPECT_EQ(result.error().code, Errc::deadline_exceeded);
  EXPECT_LT(std::chrono::steady_clock::now() - started, 10s);
}

TEST(Run, AChildThatKeepsThePipeOpenIsNotWaitedFor) {
  auto result = run({"sh", "-c", "sleep 30 & echo done"});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out, "done\n");
  EXPECT_TRUE(run({"true"}));
}

TEST(Run, MoreOutputThanAllowedIsCutButReadToTheEnd) {
  auto result = run({"sh", "-c", "head -c 3000000 /dev/zero; echo end >&2"}, {.max_output = 1000});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out.size(), 1000U);
  EXPECT_TRUE(result->truncated);
  EXPECT_EQ(result->err, "end\n");
}

TEST(Run, InputFolderAndEnvironmentAreGivenAndNothingElse) {
  auto result = run({"sh", "-c", "cat; pwd; env | sort"},
                    {.env = std::vector<std::string>{"A=1"}, .cwd = "/usr", .input = "in\n"});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out, "in\n/usr\nA=1\nPWD=/usr\n");
}

TEST(Run, ManyThreadsMayRunProgramsAtOnce) {
  std::vector<std::jthread> threads;
  std::atomic<int> good = 0;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&good, thread] {
      for (int i = 0; i < 10; ++i) {
        std::string text = std::to_string(thread * 100 + i);
        auto result = run({"echo", text});
        if (result && result->out == text + "\n" && result->status.ok()) ++good;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(good, 80);
}

}  // namespace
}  // namespace vibed
