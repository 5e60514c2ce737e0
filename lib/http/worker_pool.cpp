#include "http/worker_pool.hpp"

#include <system_error>
#include <utility>

namespace vibed::http {

WorkerPool::WorkerPool(std::size_t max_threads, std::chrono::milliseconds idle)
    : max_threads_(max_threads), idle_(idle) {}

WorkerPool::~WorkerPool() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake_.notify_all();
  ended_.wait(lock, [&] { return threads_.empty(); });
  lock.unlock();
  if (last_.joinable()) last_.join();
}

std::size_t WorkerPool::threads() const {
  std::lock_guard lock(mutex_);
  return threads_.size();
}

bool WorkerPool::post(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
  if (waiting_ >= queue_.size() || threads_.size() >= max_threads_) {
    wake_.notify_one();
    return true;
  }
  auto self = threads_.emplace(threads_.end());
  try {
    *self = std::thread([this, self] { run(self); });
  } catch (const std::system_error&) {
    threads_.erase(self);
    if (!threads_.empty()) return true;
    queue_.pop_back();
    return false;
  }
  return true;
}

void WorkerPool::run(Threads::iterator self) {
  std::unique_lock lock(mutex_);
  while (true) {
    ++waiting_;
    wake_.wait_for(lock, idle_, [&] { return !queue_.empty() || stopping_; });
    --waiting_;
    if (queue_.empty()) break;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it holds is released without the lock
    lock.lock();
  }
  std::thread previous = std::exchange(last_, std::move(*self));
  threads_.erase(self);
  if (threads_.empty()) ended_.notify_all();
  lock.unlock();
  if (previous.joinable()) previous.join();
}

}  // namespace vibed::http
