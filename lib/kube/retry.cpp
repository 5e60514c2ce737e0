#include "kube/retry.hpp"

#include <algorithm>

namespace vibed::kube {
namespace {

constexpr std::chrono::milliseconds kFirst{100};
constexpr std::chrono::milliseconds kLongest{5'000};
constexpr int kMostDoublings = 16;

bool is_worth_it(const Failure& failure) {
  const bool same = failure.twice == Twice::same;
  switch (failure.status) {
    case 0: return same && failure.error == Errc::unavailable;
    case 429: return true;  // turned away before anything was done
    case 500:
    case 502:
    case 503:
    // With Retry-After the server says that it has not begun.
    case 504: return same || failure.retry_after.has_value();
    default: return false;
  }
}

}  // namespace

std::chrono::milliseconds backoff(int failures, std::chrono::milliseconds first,
                                  std::chrono::milliseconds longest, double random) {
  const int doublings = std::clamp(failures - 1, 0, kMostDoublings);
  const auto delay = std::min(first * (1 << doublings), longest);
  const double extra = std::clamp(random, 0.0, 1.0) * 0.5 * static_cast<double>(delay.count());
  return delay + std::chrono::milliseconds(static_cast<std::int64_t>(extra));
}

std::optional<std::chrono::milliseconds> delay_after(const Failure& failure, double random) {
  if (failure.number >= failure.most || !is_worth_it(failure)) return std::nullopt;
  const auto delay = backoff(failure.number, kFirst, kLongest, random);
  if (!failure.retry_after) return delay;
  // Not before the server asked for, and not all at that moment.
  return *failure.retry_after + backoff(1, kFirst, kLongest, random) - kFirst;
}

}  // namespace vibed::kube
