// WorkQueue is a WorkSet that worker threads wait on.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/work_set.hpp"

namespace vibed {

// All methods may be called from any thread at once.
class WorkQueue {
 public:
  void add(const std::string& key);
  void assign(const std::string& key, const std::string& flow);
  void add_at(const std::string& key, WorkSet::Time when);

  // Adds `key` again after its backoff.
  void retry(const std::string& key);
  void forget(const std::string& key);

  // The next key, waiting for one; nothing when `stop` is requested. finish(key) when done.
  std::optional<std::string> take(std::stop_token stop);
  void finish(const std::string& key);

 private:
  void wake();

  std::mutex mutex_;
  std::condition_variable_any changed_;
  WorkSet set_;                // guarded by mutex_
  std::uint64_t changes_ = 0;  // guarded by mutex_; tells a waiter that it has to look again
};

}  // namespace vibed
