#include "control/recorder.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/log.hpp"

namespace vibed::control {
namespace {

constexpr std::size_t kMostWaiting = 1000;
constexpr std::chrono::seconds kAtTheEnd{2};

// Of an object only what an event says of it.
Json identity_of(const Json& object) {
  Json identity = {{"apiVersion", kube::text_at(object, {"apiVersion"})},
                   {"kind", kube::text_at(object, {"kind"})}};
  for (const char* field : {"namespace", "name", "uid", "resourceVersion"}) {
    identity["metadata"][field] = kube::text_at(object, {"metadata", field});
  }
  return identity;
}

class EventRecorder final : public Recorder {
 public:
  EventRecorder(kube::Client& client, std::string controller, std::string instance)
      : client_(client),
        log_(std::move(controller), std::move(instance)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void record(const Json& object, Happening happening) override {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMostWaiting) return;
    waiting_.push_back(
        {identity_of(object), std::move(happening), std::chrono::system_clock::now()});
    changed_.notify_one();
  }

 private:
  struct Waiting {
    Json object;
    Happening happening;
    EventLog::Time when;
  };

  void run(const std::stop_token& stop) {
    auto end = std::chrono::steady_clock::time_point::max();
    while (auto next = take(stop)) {
      if (stop.stop_requested()) {
        const auto now = std::chrono::steady_clock::now();
        end = std::min(end, now + kAtTheEnd);
        if (now >= end) return;
      }
      if (auto write = log_.record(next->object, next->happening, next->when)) send(*write);
    }
  }

  // The next that waits; nothing when stopped and there is none.
  std::optional<Waiting> take(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return !waiting_.empty(); });
    if (waiting_.empty()) return std::nullopt;
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    return next;
  }

  void send(const EventLog::Write& write) {
    const kube::WriteOptions options{.call = {.timeout = kAtTheEnd}};
    auto written = write.create ? client_.create(kube::event_records(), write.object, options)
                                : client_.patch(kube::event_records(), write.key,
                                                kube::PatchType::merge, write.object, options);
    // The cluster forgets events after an hour.
    if (!written && !write.create && written.error().code == Errc::not_found) {
      written = client_.create(kube::event_records(), write.whole, options);
    }
    if (!written && written.error().code != Errc::already_exists) {
      log::warn("event", {{"about", write.key.text()}, {"error", written.error().message}});
    }
  }

  kube::Client& client_;
  EventLog log_;  // of thread_ only
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Waiting> waiting_;  // guarded by mutex_
  std::jthread thread_;          // last: it ends before what it uses
};

}  // namespace

std::unique_ptr<Recorder> Recorder::start(kube::Client& client, std::string controller,
                                          std::string instance) {
  return std::make_unique<EventRecorder>(client, std::move(controller), std::move(instance));
}

}  // namespace vibed::control
