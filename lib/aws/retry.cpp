#include "aws/retry.hpp"

#include <algorithm>
#include <array>

namespace vibed::aws {
namespace {

constexpr std::chrono::milliseconds kFirst{100};
constexpr std::chrono::milliseconds kLongest{5'000};
constexpr std::chrono::seconds kLongestAsked{30};
constexpr int kMostDoublings = 10;
constexpr std::chrono::seconds kMostSkew{300};

constexpr std::array<std::string_view, 13> kPassing = {
    "SlowDown",
    "ServiceUnavailable",
    "InternalError",
    "RequestTimeout",
    "RequestThrottled",
    "Throttling",
    "TooManyRequests",
    "ConditionalRequestConflict",
    "OperationAborted",
    "BadDigest",
    "IncompleteBody",
    "XAmzContentSHA256Mismatch",
    "XAmzContentChecksumMismatch"};  // the last four: damaged on the way, so sent again

constexpr std::array<std::string_view, 7> kStale = {
    "ExpiredToken",   "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken",
    "InvalidTokenId", "InvalidAccessKeyId",    "XAdminUserNotFound"};

template <std::size_t size>
bool has(const std::array<std::string_view, size>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

bool is_skewed(std::chrono::seconds clock_off) {
  return clock_off > kMostSkew || clock_off < -kMostSkew;
}

Cure cure_of(const Failure& failure) {
  if (failure.status == 0) {
    const bool passing =
        failure.error == Errc::unavailable || failure.error == Errc::deadline_exceeded;
    return passing ? Cure::wait : Cure::none;
  }
  if (failure.code == "RequestTimeTooSkewed") return Cure::clock;
  if (failure.status == 403 && is_skewed(failure.clock_off)) return Cure::clock;
  if (has(kStale, failure.code)) return Cure::renew;
  if (has(kPassing, failure.code)) return Cure::wait;
  const bool refused = failure.status == 400 || failure.status == 403;
  if (refused && failure.code.empty() && failure.temporary_keys) return Cure::renew;
  switch (failure.status) {
    case 401: return Cure::renew;
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504: return Cure::wait;
    default: return Cure::none;
  }
}

std::chrono::milliseconds backoff(int failures, double random,
                                  std::optional<std::chrono::seconds> retry_after) {
  const int doublings = std::clamp(failures - 1, 0, kMostDoublings);
  const auto most = std::min(kFirst * (1 << doublings), kLongest);
  const auto half = most / 2;
  const double part = std::clamp(random, 0.0, 1.0) * static_cast<double>(half.count());
  const auto delay = half + std::chrono::milliseconds(static_cast<std::int64_t>(part));
  if (!retry_after) return delay;
  return delay + std::clamp(*retry_after, std::chrono::seconds(0), kLongestAsked);
}

}  // namespace vibed::aws
