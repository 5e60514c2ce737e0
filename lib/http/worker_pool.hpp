// WorkerPool runs handlers: threads are made on demand and end when there was nothing to do.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace vibed::http {

// All methods may be called from any thread at once. The destructor waits until all posted work is
// done.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t max_threads,
                      std::chrono::milliseconds idle = std::chrono::seconds(10));
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs `work` on a thread of the pool, later when all are busy. False: no thread could be made
  // and there is none; `work` will not run. `work` must not throw.
  bool post(std::function<void()> work);

  std::size_t threads() const;

 private:
  using Threads = std::list<std::thread>;
  void run(Threads::iterator self);

  const std::size_t max_threads_;
  const std::chrono::milliseconds idle_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  Threads threads_;                          // guarded by mutex_
  std::size_t waiting_ = 0;                  // guarded by mutex_: threads without work
  bool stopping_ = false;                    // guarded by mutex_
  std::thread last_;  // guarded by mutex_: the last that ended; the next to end joins it
};

}  // namespace vibed::http
