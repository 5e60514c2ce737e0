#include "app/watch_hub.hpp"

#include <algorithm>

#include "base/error_codes.hpp"

namespace vibed {

class WatchHub::Watch final : public AppWatch {
 public:
  Watch(WatchHub& hub, WatchPosition start) : hub_(hub), position_(start) {}

  ~Watch() override {
    std::lock_guard lock(hub_.mutex_);
    hub_.positions_.erase(hub_.positions_.find(position_.gone));
  }

  Result<AppEvent> next(std::stop_token stop,
                        std::chrono::steady_clock::time_point deadline) override {
    if (expired_) {
      return make_error("watch_expired", "the watch began too far in the past; begin again from 0");
    }
    for (;;) {
      // Taken before reading: what is written meanwhile moves the head past it and is read next.
      std::int64_t head = hub_.head();
      auto event = hub_.first_after_(position_);
      if (!event) return std::move(event).error();
      if (*event) {
        move_to((*event)->place);
        return std::move((*event)->event);
      }
      if (Status woken = wait_beyond(head, stop, deadline); !woken) return woken.error();
    }
  }

  void expire() { expired_ = true; }

 private:
  friend class WatchHub;

  void move_to(std::int64_t place) {
    std::lock_guard lock(hub_.mutex_);
    hub_.positions_.erase(hub_.positions_.find(position_.gone));
    position_.live = place;
    position_.gone = std::max(position_.gone, place);
    hub_.positions_.insert(position_.gone);
  }

  Status wait_beyond(std::int64_t head, const std::stop_token& stop,
                     std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(hub_.mutex_);
    bool moved = hub_.changed_.wait_until(lock, stop, deadline, [&] { return hub_.head_ > head; });
    if (moved) return success();
    if (stop.stop_requested()) return Error{Errc::cancelled, "the watch was asked to stop"};
    return Error{Errc::deadline_exceeded, "nothing changed in time"};
  }

  WatchHub& hub_;
  WatchPosition position_;
  bool expired_ = false;
};

void WatchHub::advance(std::int64_t head) {
  {
    std::lock_guard lock(mutex_);
    head_ = std::max(head_, head);
  }
  changed_.notify_all();
}

std::int64_t WatchHub::head() const {
  std::lock_guard lock(mutex_);
  return head_;
}

std::int64_t WatchHub::known_gone() const {
  std::lock_guard lock(mutex_);
  return positions_.empty() ? head_ : std::min(head_, *positions_.begin());
}

std::unique_ptr<AppWatch> WatchHub::watch(std::int64_t from,
                                          const std::function<std::int64_t()>& horizon) {
  WatchPosition start{from, from};
  {
    std::lock_guard lock(mutex_);
    if (from <= 0) start = {0, head_};
    positions_.insert(start.gone);
  }
  auto watch = std::make_unique<Watch>(*this, start);
  if (start.gone < horizon()) watch->expire();
  return watch;
}

}  // namespace vibed
