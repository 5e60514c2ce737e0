#include "control/reflect.hpp"

#include <algorithm>

#include "kube/retry.hpp"

namespace vibed::control {
namespace {

constexpr Milliseconds kFirst{100};
constexpr Milliseconds kLongest{30'000};
constexpr Milliseconds kRefused{5'000};  // the least wait after a refusal
// A watch that never comes to stand may be asking for something that the server cannot give.
constexpr int kWatchesBeforeList = 10;

Milliseconds wait_after(const ReflectState& state, const Outcome& outcome, double random) {
  auto wait = kube::backoff(state.failures, kFirst, kLongest, random);
  if (outcome.ended == Ended::refused) wait = std::max(wait, kRefused);
  return std::max(wait, outcome.retry_after);
}

}  // namespace

Next next_step(ReflectState& state, const Outcome& outcome, double random) {
  if (outcome.progress) state.failures = 0;
  switch (outcome.ended) {
    case Ended::listed:
      // Failures go on counting: a list that works and a watch that never does must not spin.
      state.listed = true;
      return {Next::Do::watch, {}};
    case Ended::timed_out: state.failures = 0; return {Next::Do::watch, {}};
    case Ended::expired:
    case Ended::torn:
      state.listed = false;
      // The first is answered at once; a server that expires everything is not asked in a circle.
      ++state.failures;
      return {Next::Do::list,
              state.failures > 1 ? wait_after(state, outcome, random) : outcome.retry_after};
    case Ended::short_lived:
    case Ended::busy:
    case Ended::failed:
    case Ended::refused: break;
  }
  ++state.failures;
  const auto wait = wait_after(state, outcome, random);
  if (state.listed && state.failures % kWatchesBeforeList == 0) state.listed = false;
  return {state.listed ? Next::Do::watch : Next::Do::list, wait};
}

std::chrono::seconds watch_timeout(double random) {
  return std::chrono::seconds(300 + static_cast<int>(300 * std::clamp(random, 0.0, 1.0)));
}

}  // namespace vibed::control
