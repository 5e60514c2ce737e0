// Watcher subscribes to a pool and waits, without polling, for something about it to come true.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vibed/sandbox_pool.hpp"

namespace vibed::sandbox {

class Watcher {
 public:
  explicit Watcher(SandboxPool& pool) : pool_(pool) {
    pool_.subscribe([this](const std::string& app) {
      std::lock_guard lock(mutex_);
      calls_.push_back(app);
      changed_.notify_all();
    });
  }
  ~Watcher() { pool_.subscribe({}); }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Whether it came true within a time no busy machine needs; looked at now and after each
  // notification.
  bool until(const std::function<bool()>& true_now) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(100), true_now);
  }

  // The sandbox once it is in one of `phases`, or as it is at last.
  Sandbox until_phase(const std::string& id, const std::vector<SandboxPhase>& phases) {
    Sandbox last;
    until([&] {
      auto now = find(id);
      if (now) last = *now;
      for (SandboxPhase phase : phases)
        if (now && now->phase == phase) return true;
      return false;
    });
    return last;
  }

  std::optional<Sandbox> find(const std::string& id) {
    for (Sandbox& sandbox : pool_.observe_all())
      if (sandbox.id == id) return sandbox;
    return std::nullopt;
  }

  std::size_t calls() {
    std::lock_guard lock(mutex_);
    return calls_.size();
  }

 private:
  SandboxPool& pool_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> calls_;
};

}  // namespace vibed::sandbox
