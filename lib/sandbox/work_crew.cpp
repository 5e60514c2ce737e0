#include "sandbox/work_crew.hpp"

#include <utility>

namespace vibed::sandbox {

WorkCrew::WorkCrew(std::size_t max_threads, Task enter)
    : max_threads_(max_threads), enter_(std::move(enter)) {}

WorkCrew::~WorkCrew() { stop(false); }

void WorkCrew::add(Task task) { push(std::move(task), false); }
void WorkCrew::add_first(Task task) { push(std::move(task), true); }

void WorkCrew::push(Task task, bool first) {
  std::lock_guard lock(mutex_);
  if (stop_) return;
  if (first)
    tasks_.push_front(std::move(task));
  else
    tasks_.push_back(std::move(task));
  if (idle_ < tasks_.size() && threads_.size() < max_threads_)
    threads_.emplace_back([this] { run(); });
  wake_.notify_one();
}

void WorkCrew::stop(bool finish_waiting) {
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    if (!finish_waiting) tasks_.clear();
    threads = std::exchange(threads_, {});
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void WorkCrew::run() {
  if (enter_) enter_();
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace vibed::sandbox
