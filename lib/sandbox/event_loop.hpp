// EventLoop waits for many descriptors and times on one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "vibed/result.hpp"

namespace vibed::sandbox {

// post() and after() may be called from any thread, watch() and unwatch() from the loop's own only
// (that is, from what is posted). Nothing that is called may block.
class EventLoop {
 public:
  using Task = std::function<void()>;
  using Clock = std::chrono::steady_clock;

  static Result<std::unique_ptr<EventLoop>> start();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs `task` on the loop, soon. After stop() it is dropped.
  void post(Task task);
  void after(Clock::duration delay, Task task);

  // Calls `readable` whenever `fd` can be read, or is at its end, until unwatch(). Returns the
  // watch's number.
  std::uint64_t watch(int fd, Task readable);
  // REQUIRES: the descriptor is still open
  void unwatch(std::uint64_t number);

  // Ends the thread; what was posted and not run is dropped.
  void stop();

 private:
  EventLoop(Fd epoll, Fd wake);
  void run();
  void wake();
  int run_due();
  std::vector<Task> take_posted();

  struct Watch {
    int fd;
    std::shared_ptr<Task> readable;
  };

  Fd epoll_;
  Fd wake_;
  std::map<std::uint64_t, Watch> watches_;  // the loop's thread only
  std::uint64_t last_number_ = 0;           // the same
  std::mutex mutex_;
  std::vector<Task> posted_;                      // guarded by mutex_
  std::multimap<Clock::time_point, Task> later_;  // guarded by mutex_
  bool stop_ = false;                             // guarded by mutex_
  std::thread thread_;                            // last: uses all of the above
};

}  // namespace vibed::sandbox
