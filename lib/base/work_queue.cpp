#include "base/work_queue.hpp"

namespace vibed {

using SteadyClock = std::chrono::steady_clock;

// REQUIRES: mutex_ is held
void WorkQueue::wake() {
  ++changes_;
  changed_.notify_one();
}

void WorkQueue::add(const std::string& key) {
  std::lock_guard lock(mutex_);
  set_.add(key);
  wake();
}

void WorkQueue::assign(const std::string& key, const std::string& flow) {
  std::lock_guard lock(mutex_);
  set_.assign(key, flow);
}

void WorkQueue::add_at(const std::string& key, WorkSet::Time when) {
  std::lock_guard lock(mutex_);
  set_.add_at(key, when);
  wake();
}

void WorkQueue::retry(const std::string& key) {
  std::lock_guard lock(mutex_);
  set_.add_at(key, SteadyClock::now() + set_.backoff(key));
  wake();
}

void WorkQueue::forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  set_.forget(key);
}

std::optional<std::string> WorkQueue::take(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (auto key = set_.take(SteadyClock::now())) {
      changed_.notify_one();  // what came due together with it is somebody else's
      return key;
    }
    auto look_again = [this, seen = changes_] { return changes_ != seen; };
    if (auto due = set_.next_due()) {
      changed_.wait_until(lock, stop, *due, look_again);
    } else {
      changed_.wait(lock, stop, look_again);
    }
  }
  return std::nullopt;
}

void WorkQueue::finish(const std::string& key) {
  std::lock_guard lock(mutex_);
  set_.finish(key);
  wake();
}

}  // namespace vibed
