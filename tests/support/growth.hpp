// How the time of something grows with its input, for tests that a busy machine must not fail.
#pragma once

#include <algorithm>
#include <ctime>

namespace vibed::testing {

// Processor time of the quickest of three calls, in clock ticks.
template <typename Call>
double ticks_of(const Call& call) {
  std::clock_t least = 0;
  for (int i = 0; i < 3; ++i) {
    const std::clock_t from = std::clock();
    call();
    const std::clock_t took = std::clock() - from;
    least = i == 0 ? took : std::min(least, took);
  }
  return static_cast<double>(std::max<std::clock_t>(least, 1));
}

// Whether `large`, whose input is ten times that of `small`, takes nearer to ten times as long than
// to a hundred times: in proportion, and not with the square.
template <typename Small, typename Large>
bool grows_in_proportion(const Small& small, const Large& large) {
  return ticks_of(large) < 45 * ticks_of(small);
}

}  // namespace vibed::testing
