// When a call that failed is made again. Pure.
#pragma once

#include <chrono>
#include <optional>

#include "vibed/result.hpp"

namespace vibed::kube {

// What sending a request twice does.
enum class Twice {
  same,   // the same as once: it may be sent again whatever became of the first
  unsafe  // only when the server says that it has not done it
};

struct Failure {
  int number = 1;  // of the attempts so far
  int most = 10;   // of them
  Twice twice = Twice::same;
  int status = 0;  // 0: no answer came, and `error` says why
  Errc error = Errc::unavailable;
  std::optional<std::chrono::milliseconds> retry_after = {};
};

// How long to wait before the next attempt; nothing: this failure is the answer. `random` is from 0
// to 1: clients that failed together do not come back together.
std::optional<std::chrono::milliseconds> delay_after(const Failure& failure, double random);

// first * 2^(failures - 1), at most `longest`, and up to half of it more by `random`.
std::chrono::milliseconds backoff(int failures, std::chrono::milliseconds first,
                                  std::chrono::milliseconds longest, double random);

}  // namespace vibed::kube
