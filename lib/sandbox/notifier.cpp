#include "sandbox/notifier.hpp"

#include <utility>

namespace vibed::sandbox {

Notifier::Notifier() : thread_([this] { run(); }) {}

Notifier::~Notifier() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Notifier::changed(const std::string& app) {
  {
    std::lock_guard lock(mutex_);
    if (!on_change_) return;
    dirty_.insert(app);
  }
  wake_.notify_one();
}

void Notifier::subscribe(std::function<void(const std::string& app)> on_change) {
  std::unique_lock lock(mutex_);
  on_change_ = std::move(on_change);
  dirty_.clear();
  if (std::this_thread::get_id() == thread_.get_id()) return;
  idle_.wait(lock, [&] { return !calling_; });
}

void Notifier::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_ || !dirty_.empty(); });
    if (stop_) return;
    std::string app = std::move(dirty_.extract(dirty_.begin()).value());
    auto call = on_change_;
    if (!call) continue;
    calling_ = true;
    lock.unlock();
    call(app);
    call = nullptr;
    lock.lock();
    calling_ = false;
    idle_.notify_all();
  }
}

}  // namespace vibed::sandbox
