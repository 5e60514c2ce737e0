// WorkSet decides which key to reconcile next. It holds no lock, no thread and no clock: the
// blocking WorkQueue in work_queue.hpp wraps it, and tests drive it directly.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace vibed {

// Keys of several flows (of several owners, say) take turns: one flow's many keys delay another's
// few by one key each. Within a flow the order is that of adding.
class WorkSet {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Delay = std::chrono::steady_clock::duration;

  // Marks `key` as needing work now. A key that is waiting is not queued twice; a key being worked
  // on is queued again when it is finished, so no change is missed and no key has two workers.
  void add(const std::string& key);

  // Puts `key` into a flow, from when it is next marked on; the empty one, where all keys are at
  // first, forgets it. O(log n).
  void assign(const std::string& key, const std::string& flow);

  // Marks `key` as needing work at `when`. The earliest of several times wins; add() overtakes all.
  void add_at(const std::string& key, Time when);

  // The time to wait before the next retry of `key`: 5 ms doubled per failure, at most 11 min.
  Delay backoff(const std::string& key);

  // Starts `key`'s backoff from the beginning again.
  void forget(const std::string& key);

  // The next key to work on, or nothing. The caller must call finish(key) when it is done.
  std::optional<std::string> take(Time now);
  void finish(const std::string& key);

  // When take() could next have something, if it has nothing now.
  std::optional<Time> next_due() const;

 private:
  void mark(const std::string& key);
  void line_up(const std::string& key);

  std::map<std::string, std::string> flows_;              // of keys that are in one
  std::map<std::string, std::deque<std::string>> ready_;  // by flow; none is empty
  std::deque<std::string> turns_;                         // the flows of ready_, the next one first
  std::set<std::string> dirty_;       // needs work: ready, or waiting for finish()
  std::set<std::string> processing_;  // taken and not finished
  std::map<std::string, Time> later_;
  std::set<std::pair<Time, std::string>> due_;  // later_, by time
  std::map<std::string, int> failures_;
};

}  // namespace vibed
