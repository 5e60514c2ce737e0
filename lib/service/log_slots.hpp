// LogSlots counts open log streams, of each user and of all.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "vibed/result.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed {

// All methods may be called from any thread at once.
class LogSlots : public std::enable_shared_from_this<LogSlots> {
 public:
  LogSlots(int per_user, int all) : per_user_(per_user), all_(all) {}

  // The stream that `open` makes, which holds a slot until it is destroyed, or
  // too_many_log_streams. The slot is taken before `open` runs.
  Result<std::unique_ptr<LogStream>> open(
      const std::string& user, const std::function<Result<std::unique_ptr<LogStream>>()>& open);

 private:
  class Held;
  Status take(const std::string& user);
  void give_back(const std::string& user);

  const int per_user_;
  const int all_;
  std::mutex mutex_;
  int taken_ = 0;                        // guarded by mutex_
  std::map<std::string, int> taken_by_;  // guarded by mutex_
};

}  // namespace vibed
