// WatchHub wakes the watches of one AppStore and hands each what is new to it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "vibed/app_store.hpp"

namespace vibed {

// Where a watch is: what it has seen of records, and of records that are gone.
struct WatchPosition {
  std::int64_t live = 0;
  std::int64_t gone = 0;  // >= live: who starts from nothing has no use for what went before
};

// How many records that are gone a store remembers, for watches that begin at an old version.
constexpr std::int64_t kTombstonesKept = 1000;

// A change, and where a watch is that has told it: its resource version, unless it came out of
// order.
struct PlacedEvent {
  std::int64_t place = 0;
  AppEvent event;
};

// Level-based: a watch reads the oldest record newer than its position and sleeps when there is
// none, so a slow reader skips states instead of queueing them.
//
// All methods may be called from any thread at once. The hub outlives its watches.
class WatchHub {
 public:
  // Reads the oldest change after a position, if there is one.
  using FirstAfter = std::function<Result<std::optional<PlacedEvent>>(WatchPosition)>;

  explicit WatchHub(FirstAfter first_after) : first_after_(std::move(first_after)) {}

  // Says that the store has reached version `head`; call it after the change can be read.
  void advance(std::int64_t head);
  std::int64_t head() const;

  // The version up to which every open watch knows what is gone: older tombstones may be pruned.
  // Tombstones above the head are always in use.
  std::int64_t known_gone() const;

  // `horizon` gives the version up to which tombstones were pruned; it is asked after the watch is
  // registered, so that nothing is pruned between the two.
  std::unique_ptr<AppWatch> watch(std::int64_t from, const std::function<std::int64_t()>& horizon);

 private:
  class Watch;

  FirstAfter first_after_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::int64_t head_ = 0;                  // guarded by mutex_
  std::multiset<std::int64_t> positions_;  // of open watches, guarded by mutex_
};

}  // namespace vibed
