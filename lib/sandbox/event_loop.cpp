#include "sandbox/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace vibed::sandbox {

Result<std::unique_ptr<EventLoop>> EventLoop::start() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return errno_error("make an epoll");
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return errno_error("make an eventfd");
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0)
    return errno_error("watch an eventfd");
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll), std::move(wake)));
}

EventLoop::EventLoop(Fd epoll, Fd wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)), thread_([this] { run(); }) {}

EventLoop::~EventLoop() { stop(); }

void EventLoop::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
}

void EventLoop::wake() {
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void EventLoop::post(Task task) {
  {
    std::lock_guard lock(mutex_);
    if (stop_) return;
    posted_.push_back(std::move(task));
  }
  wake();
}

void EventLoop::after(Clock::duration delay, Task task) {
  {
    std::lock_guard lock(mutex_);
    if (stop_) return;
    later_.emplace(Clock::now() + delay, std::move(task));
  }
  wake();
}

std::uint64_t EventLoop::watch(int fd, Task readable) {
  std::uint64_t number = ++last_number_;
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = number;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  watches_[number] = {fd, std::make_shared<Task>(std::move(readable))};
  return number;
}

void EventLoop::unwatch(std::uint64_t number) {
  auto at = watches_.find(number);
  if (at == watches_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, at->second.fd, nullptr);
  watches_.erase(at);
}

std::vector<EventLoop::Task> EventLoop::take_posted() {
  std::lock_guard lock(mutex_);
  return std::exchange(posted_, {});
}

// Runs what is due; milliseconds until the next, or -1.
int EventLoop::run_due() {
  for (;;) {
    Task task;
    {
      std::lock_guard lock(mutex_);
      if (!posted_.empty()) return 0;
      if (later_.empty()) return -1;
      auto left = later_.begin()->first - Clock::now();
      if (left > Clock::duration::zero())
        return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
      task = std::move(later_.extract(later_.begin()).mapped());
    }
    task();
  }
}

void EventLoop::run() {
  std::array<epoll_event, 64> events;
  for (;;) {
    for (Task& task : take_posted()) task();
    int timeout = run_due();
    {
      std::lock_guard lock(mutex_);
      if (stop_) return;
    }
    int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
    for (int i = 0; i < count; ++i) {
      std::uint64_t number = events[static_cast<std::size_t>(i)].data.u64;
      if (number == 0) {
        std::uint64_t drained = 0;
        [[maybe_unused]] ssize_t got = ::read(wake_.get(), &drained, sizeof drained);
        continue;
      }
      auto at = watches_.find(number);
      if (at == watches_.end()) continue;  // unwatched by an earlier event of this round
      auto readable = at->second.readable;
      (*readable)();
    }
  }
}

}  // namespace vibed::sandbox
