// CredentialCache: credentials that are renewed before they end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include "aws/answers.hpp"
#include "aws/obtain.hpp"

namespace vibed::aws {

// What is to be done with credentials that end at `expires`. Pure.
enum class Freshness {
  good,
  soon,  // they still work, and new ones are better
  bad
};
Freshness freshness(const std::optional<Time>& expires, Time now, std::chrono::seconds life);

// All methods may be called from any thread at once. One of them asks for new credentials; the
// others go on with the old ones while those work, and else wait for what it gets.
class CredentialCache {
 public:
  using Load = std::function<Result<Credentials>()>;

  // `load` blocks and is called by one thread at a time.
  CredentialCache(Load load, Now now);

  // Credentials that work now, and for `life` where such are to be had. When new ones cannot be
  // had, the old ones as long as they work.
  Result<Credentials> get(std::chrono::seconds life = {});

  // The service turned `refused` away: others, unless there are others already.
  Result<Credentials> renew(const fetch::AwsKeys& refused);

 private:
  Result<Credentials> load(std::unique_lock<std::mutex>& lock);
  Result<Credentials> outcome() const;

  const Load load_;
  const Now now_;
  std::mutex mutex_;
  std::condition_variable loaded_;
  bool loading_ = false;     // all below guarded by mutex_
  std::uint64_t loads_ = 0;  // that have ended
  std::optional<Credentials> current_;
  Status last_ = success();       // how the last load ended
  Time next_load_ = Time::min();  // before this, what works is not renewed
};

}  // namespace vibed::aws
