#include "aws/credential_cache.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace vibed::aws {
namespace {

using namespace std::chrono_literals;

constexpr auto kEarly = 5min;
constexpr auto kTooLate = 10s;       // for the request's own way and clocks that differ a little
constexpr auto kAfterSuccess = 60s;  // the same ones may have come again
constexpr auto kAfterFailure = 10s;

}  // namespace

Freshness freshness(const std::optional<Time>& expires, Time now, std::chrono::seconds life) {
  if (!expires) return Freshness::good;
  if (*expires <= now + kTooLate) return Freshness::bad;
  const auto wanted = std::max<std::chrono::seconds>(kEarly, life);
  return *expires < now + wanted ? Freshness::soon : Freshness::good;
}

CredentialCache::CredentialCache(Load load, Now now)
    : load_(std::move(load)), now_(std::move(now)) {}

Result<Credentials> CredentialCache::outcome() const {
  if (!last_) return last_.error();
  return *current_;
}

// Credentials that have come just now are used whatever their end says: this machine's clock may be
// what is wrong.
Result<Credentials> CredentialCache::get(std::chrono::seconds life) {
  std::unique_lock lock(mutex_);
  const Time now = now_();
  const Freshness fresh = current_ ? freshness(current_->expires, now, life) : Freshness::bad;
  const bool just_loaded = current_ && last_ && now < next_load_;
  if (fresh == Freshness::good || just_loaded) return *current_;
  const bool works = fresh == Freshness::soon;
  if (works && (loading_ || now < next_load_)) return *current_;
  auto loaded = load(lock);
  if (loaded || !works) return loaded;
  log::warn("credentials could not be renewed", {{"error", loaded.error().message}});
  return *current_;
}

Result<Credentials> CredentialCache::renew(const fetch::AwsKeys& refused) {
  std::unique_lock lock(mutex_);
  if (current_ && current_->keys != refused) return *current_;
  return load(lock);
}

// Loads, or waits for the load that is under way.
Result<Credentials> CredentialCache::load(std::unique_lock<std::mutex>& lock) {
  if (loading_) {
    const std::uint64_t before = loads_;
    loaded_.wait(lock, [&] { return loads_ != before; });
    return outcome();
  }
  loading_ = true;
  lock.unlock();
  Result<Credentials> fresh = load_();
  lock.lock();
  loading_ = false;
  ++loads_;
  last_ = fresh ? success() : Status(fresh.error());
  if (fresh) current_ = *fresh;
  next_load_ = now_() + (fresh ? kAfterSuccess : kAfterFailure);
  loaded_.notify_all();
  return fresh;
}

}  // namespace vibed::aws
