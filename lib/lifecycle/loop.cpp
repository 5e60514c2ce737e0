#include "lifecycle/loop.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "base/work_queue.hpp"

namespace vibed::lifecycle {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kWatchRetry{200};
constexpr std::chrono::hours kWatchWait{1};

class Loop final : public Lifecycle {
 public:
  Loop(AppStore& apps, SandboxPool& pool, LoopOptions options)
      : apps_(apps),
        pool_(pool),
        options_(std::move(options)),
        reconciler_(apps, pool, options_.step, options_.now, options_.tell) {
    pool_.subscribe([this](const std::string& app) { queue_.add(app); });
    for (int i = 0; i < options_.workers; ++i) {
      threads_.emplace_back([this](std::stop_token stop) { work(stop); });
    }
    threads_.emplace_back([this](std::stop_token stop) { watch(stop); });
    threads_.emplace_back([this](std::stop_token stop) { sweep(stop); });
    std::unique_lock lock(mutex_);
    looked_.wait_for(lock, options_.first_pass, [this] { return swept_ && unseen_.empty(); });
  }

  ~Loop() override {
    pool_.subscribe({});
    for (std::jthread& thread : threads_) thread.request_stop();
    threads_.clear();
  }

  void poke(const std::string& name) override { queue_.add(name); }

 private:
  void work(const std::stop_token& stop) {
    while (auto name = queue_.take(stop)) {
      reconcile(*name);
      queue_.finish(*name);
      seen(*name);
    }
  }

  void seen(const std::string& name) {
    std::lock_guard lock(mutex_);
    if (unseen_.erase(name) != 0 && unseen_.empty()) looked_.notify_all();
  }

  void reconcile(const std::string& name) {
    auto until = reconciler_.reconcile(name);
    if (!until) {
      // Somebody wrote first: the next read tells more. Everything else is worth a line.
      if (until.error().code != Errc::conflict) {
        log::warn("reconcile", {{"app", name}, {"error", until.error().message}});
      }
      queue_.retry(name);
      return;
    }
    queue_.forget(name);
    if (until->has_value()) {
      auto left = std::chrono::ceil<std::chrono::milliseconds>(**until - options_.now());
      queue_.add_at(name, Steady::now() + std::max(left, std::chrono::milliseconds{1}));
    }
  }

  void watch(const std::stop_token& stop) {
    std::int64_t from = 0;
    while (!stop.stop_requested()) {
      auto changes = apps_.watch(from);
      while (!stop.stop_requested()) {
        auto event = changes->next(stop, Steady::now() + kWatchWait);
        if (event) {
          from = event->app.resource_version;
          // So that nobody's apps wait until all of somebody else's have been looked at.
          queue_.assign(event->app.name, event->app.spec.owner);  // none when it is gone
          queue_.add(event->app.name);
        } else if (event.error().code == Errc::cancelled) {
          return;
        } else if (event.error().code != Errc::deadline_exceeded) {
          log::warn("watch apps", {{"error", event.error().message}});
          if (event.error().reason == "watch_expired") from = 0;
          break;
        }
      }
      pause(stop, kWatchRetry);
    }
  }

  void sweep(const std::stop_token& stop) {
    do {
      auto names = reconciler_.sweep();
      if (names) {
        first_pass_of(*names);
        for (const std::string& name : *names) queue_.add(name);
        pause(stop, options_.sweep_interval);
      } else {
        log::warn("sweep", {{"error", names.error().message}});
        pause(stop, std::chrono::seconds{1});
      }
    } while (!stop.stop_requested());
  }

  void first_pass_of(const std::vector<std::string>& names) {
    std::lock_guard lock(mutex_);
    if (!swept_) unseen_.insert(names.begin(), names.end());
    swept_ = true;
    if (unseen_.empty()) looked_.notify_all();
  }

  void pause(const std::stop_token& stop, std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, stop, time, [] { return false; });
  }

  AppStore& apps_;
  SandboxPool& pool_;
  LoopOptions options_;
  Reconciler reconciler_;
  WorkQueue queue_;
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::condition_variable_any looked_;
  std::set<std::string> unseen_;       // apps of the first sweep; guarded by mutex_
  bool swept_ = false;                 // guarded by mutex_
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace

std::unique_ptr<Lifecycle> Lifecycle::start(AppStore& apps, SandboxPool& pool,
                                            LoopOptions options) {
  return std::make_unique<Loop>(apps, pool, std::move(options));
}

}  // namespace vibed::lifecycle
