#include "program/signals.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "vibed/program.hpp"

namespace vibed {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

int wait_for_signal() {
  const sigset_t set = stop_signals();
  int number = 0;
  while (::sigwait(&set, &number) != 0) {
  }
  return number;
}

// One wish to stop can come as several signals, from a terminal that closes or from `timeout`.
constexpr std::chrono::seconds kOneWish{1};

[[noreturn]] void end_at_second_signal() {
  const auto first = std::chrono::steady_clock::now();
  int number = wait_for_signal();
  while (std::chrono::steady_clock::now() - first < kOneWish) number = wait_for_signal();
  constexpr std::string_view kFarewell =
      "vibed: ended at once; the next `vibed up` takes over what still runs\n";
  static_cast<void>(!::write(2, kFarewell.data(), kFarewell.size()));
  ::_exit(128 + number);
}

}  // namespace

namespace program {

void block_stop_signals() {
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace program

int wait_for_stop() {
  const int number = wait_for_signal();
  std::thread(end_at_second_signal).detach();
  return number;
}

}  // namespace vibed
