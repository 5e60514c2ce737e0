// WorkCrew runs tasks that may block, on as many threads as there is work for.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vibed::sandbox {

// Any thread. Threads are made when they are first needed and stay.
class WorkCrew {
 public:
  using Task = std::function<void()>;

  // `enter` is the first thing each thread does.
  explicit WorkCrew(std::size_t max_threads, Task enter = {});
  ~WorkCrew();
  WorkCrew(const WorkCrew&) = delete;
  WorkCrew& operator=(const WorkCrew&) = delete;

  void add(Task task);
  void add_first(Task task);  // before what waits

  // Finishes what runs, and what waits if `finish_waiting`; adds nothing more.
  void stop(bool finish_waiting);

 private:
  void push(Task task, bool first);
  void run();

  std::size_t max_threads_;
  Task enter_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;            // guarded by mutex_
  std::size_t idle_ = 0;              // guarded by mutex_
  bool stop_ = false;                 // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
};

}  // namespace vibed::sandbox
