// UidRange hands out host uids, one for each sandbox, when vibed runs as root.
#pragma once

#include <sys/types.h>

#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "vibed/result.hpp"

namespace vibed::sandbox {

// Whether somebody who is not ours has that uid: an account, or a process that runs.
bool uid_is_taken(uid_t uid);

// Any thread.
class UidRange {
 public:
  // Numbers from `first` to `last`. Starts at a place that depends on `seed`, so that two vibeds
  // with the same range seldom meet.
  UidRange(uid_t first, uid_t last, const std::string& seed,
           std::function<bool(uid_t)> taken = uid_is_taken);

  // A number that is in nobody's use, given out until it is put back. Lately used ones come last.
  // `resource_exhausted` with pool_exhausted when there is none.
  Result<uid_t> take();
  void put_back(uid_t uid);
  // A sandbox that was adopted has it.
  void mark(uid_t uid);

 private:
  uid_t first_;
  uid_t last_;
  std::function<bool(uid_t)> taken_;
  std::mutex mutex_;
  uid_t next_;             // guarded by mutex_
  std::set<uid_t> given_;  // guarded by mutex_
};

}  // namespace vibed::sandbox
