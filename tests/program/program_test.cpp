#include "vibed/program.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/files.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

using testing::TempDir;

int run(const Program& program, std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), program.name.c_str());
  return run_program(program, static_cast<int>(arguments.size()), arguments.data());
}

Program with(std::function<Status(const Invocation&)> body) {
  return {.name = "vibed",
          .summary = "",
          .commands = {{.name = "do", .summary = "", .run = std::move(body)}}};
}

TEST(RunProgram, EndsWithTheStatusOfWhatHappened) {
  EXPECT_EQ(run(with([](auto&) { return success(); }), {"do"}), 0);
  EXPECT_EQ(run(with([](auto&) { return Status(Error{Errc::not_found, "no"}); }), {"do"}), 1);
  EXPECT_EQ(run(with([](auto&) { return Status(usage_error("no")); }), {"do"}), 2);
  const Error unreachable{Errc::unavailable, "no", "unreachable"};
  EXPECT_EQ(run(with([&](auto&) { return Status(unreachable); }), {"do"}), 3);
  EXPECT_EQ(run(with([](auto&) { return success(); }), {"undo"}), 2);
}

TEST(RunProgram, PrintsAnErrorOnce) {
  ::testing::internal::CaptureStderr();
  run(with([](auto&) { return Status(Error{Errc::internal, "it broke"}); }), {"do"});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "vibed: it broke\n");
  ::testing::internal::CaptureStderr();
  run(with([](auto&) { return Status(Error{Errc::internal, ""}); }), {"do"});
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(RunProgram, TurnsAnExceptionIntoAFailure) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run(with([](auto&) -> Status { throw std::runtime_error("boom"); }), {"do"}), 1);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "vibed: unexpected: boom\n");
}

TEST(RunProgram, HandsOverTheEnvironment) {
  ::setenv("VIBED_PROGRAM_TEST", "a=b", 1);
  std::string seen;
  run(with([&](const Invocation& invocation) {
        seen = invocation.variable("VIBED_PROGRAM_TEST");
        return success();
      }),
      {"do"});
  EXPECT_EQ(seen, "a=b");
}

Program with_config(std::string& listen) {
  return {.name = "vibed",
          .summary = "",
          .commands = {{.name = "up",
                        .summary = "",
                        .run =
                            [&](const Invocation& invocation) {
                              listen = invocation.config.apps.listen;
                              return success();
                            },
                        .takes_config = true}}};
}

TEST(RunProgram, ReadsTheConfiguration) {
  const TempDir folder;
  ASSERT_TRUE(
      write_file(folder / "v.yaml", "apps:\n  listen: 127.0.0.1:7\n", Durability::unsynced));
  std::string listen;
  EXPECT_EQ(run(with_config(listen), {"up", "--config", (folder / "v.yaml").c_str()}), 0);
  EXPECT_EQ(listen, "127.0.0.1:7");
}

TEST(RunProgram, CallsAWrongConfigurationWrongUsage) {
  const TempDir folder;
  ASSERT_TRUE(write_file(folder / "v.yaml", "appps: {}\n", Durability::unsynced));
  std::string listen;
  EXPECT_EQ(run(with_config(listen), {"up", "--config", (folder / "v.yaml").c_str()}), 2);
  EXPECT_EQ(run(with_config(listen), {"up", "--log-level", "loud"}), 2);
}

// What a program of its own did that serves; its log is what it writes to the pipe.
struct Served {
  int pid = 0;
  int reader = -1;
};

Served serve(const std::function<void(int signal, int writer)>& after) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const int pid = ::fork();
  if (pid == 0) {
    Program program{.name = "vibed", .summary = "", .commands = {}};
    program.commands.push_back({.name = "up",
                                .summary = "",
                                .run =
                                    [&](const Invocation&) {
                                      static_cast<void>(!::write(ends[1], "r", 1));
                                      after(wait_for_stop(), ends[1]);
                                      return success();
                                    },
                                .serves = true});
    ::_exit(run(program, {"up"}));
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}

char next(const Served& served) {
  char byte = 0;
  return ::read(served.reader, &byte, 1) == 1 ? byte : '-';
}

TEST(WaitForStop, ReturnsTheSignal) {
  const Served served = serve([](int signal, int writer) {
    static_cast<void>(!::write(writer, signal == SIGTERM ? "T" : "?", 1));
  });
  EXPECT_EQ(next(served), 'r');
  ::kill(served.pid, SIGTERM);
  EXPECT_EQ(next(served), 'T');
  int status = 0;
  ::waitpid(served.pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ::close(served.reader);
}

TEST(WaitForStop, ALaterSignalEndsTheProcessAtOnceAndOneWishIsOneSignal) {
  const Served served = serve([](int, int writer) {
    static_cast<void>(!::write(writer, "1", 1));
    for (;;) ::pause();  // a shutdown that hangs
  });
  EXPECT_EQ(next(served), 'r');
  const auto first = std::chrono::steady_clock::now();
  ::kill(served.pid, SIGTERM);
  ::kill(served.pid, SIGHUP);  // as a terminal that closes sends both
  EXPECT_EQ(next(served), '1');
  int status = 0;
  while (::waitpid(served.pid, &status, WNOHANG) == 0) {
    ::kill(served.pid, SIGTERM);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_GE(std::chrono::steady_clock::now() - first, std::chrono::seconds(1));
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 143);
  ::close(served.reader);
}

}  // namespace
}  // namespace vibed
