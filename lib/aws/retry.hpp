// What can be done about a request that failed. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed::aws {

enum class Cure {
  none,   // the same request would fail the same way
  wait,   // it may pass: try again after backoff()
  renew,  // with fresh credentials
  clock   // with the time that the service has
};

// One answer that is no success, or none.
struct Failure {
  int status = 0;                     // 0: no answer came, and `error` says why
  std::string code = {};              // of the XML; "" when the answer has no body (HEAD)
  Errc error = Errc::unavailable;     // of the connection
  bool temporary_keys = false;        // they were of a session, which ends
  std::chrono::seconds clock_off{0};  // the service's clock less ours, where it says its time
};

// All requests vibed makes may be sent twice.
Cure cure_of(const Failure& failure);

// The wait before attempt number `failures` + 1: from half of 100 ms * 2^(failures - 1), at most
// 5 s, to all of it, by `random` from 0 to 1; not less than the service asks for.
std::chrono::milliseconds backoff(int failures, double random,
                                  std::optional<std::chrono::seconds> retry_after);

// Whether clocks differ by more than a signature may be old, which some services tell in words of
// their own.
bool is_skewed(std::chrono::seconds clock_off);

}  // namespace vibed::aws
