#include "control/election.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "base/log.hpp"

namespace vibed::control {
namespace {

using Steady = std::chrono::steady_clock;
using kube::Json;

constexpr std::chrono::seconds kReleaseTime{3};

double random_number() {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
}

ElectionOptions completed(ElectionOptions options) {
  if (!options.random) options.random = random_number;
  return options;
}

class LeaseElection final : public Election {
 public:
  LeaseElection(kube::Client& client, ElectionOptions options)
      : client_(client),
        options_(completed(std::move(options))),
        view_(options_.identity, options_.times),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  bool leads() const override {
    const std::lock_guard lock(mutex_);
    return view_.leads(Steady::now());
  }

  std::optional<ElectionTrouble> trouble() const override {
    const std::lock_guard lock(mutex_);
    return trouble_;
  }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (attempt(options_.times.renew_deadline, stop)) {
        hold(stop);
        release();
      }
      wait(stop, wait_time());
    }
  }

  // Leads until that is over, one way or another.
  void hold(const std::stop_token& stop) {
    log::info("leading", {{"lease", options_.lease.text()}, {"identity", options_.identity}});
    finished_ = false;
    std::jthread work([this](const std::stop_token& lost) {
      options_.lead(lost);
      const std::lock_guard lock(mutex_);
      finished_ = true;
      changed_.notify_all();
    });
    // On its own thread: whatever a renewal waits for, the end of our time is seen.
    const std::jthread guard(
        [this, &work](const std::stop_token& over) { watch_clock(over, work); });
    const std::stop_callback leave(stop, [&work] { work.request_stop(); });
    while (!is_finished() && leads()) {
      wait_finished(options_.times.retry_period);
      if (is_finished() || !leads()) break;
      // A connection that hangs leaves time for one more.
      (void)attempt(std::min(left(), options_.times.renew_deadline / 2), {});
    }
    if (!is_finished()) log::warn("no longer leading", {{"lease", options_.lease.text()}});
    work.request_stop();
    work.join();
  }

  void watch_clock(const std::stop_token& over, std::jthread& work) {
    std::unique_lock lock(mutex_);
    while (!over.stop_requested() && view_.leads(Steady::now())) {
      changed_.wait_until(lock, over, view_.leads_until(), [] { return false; });
    }
    lock.unlock();
    work.request_stop();
  }

  // Takes or renews the lease; false if somebody else has it or nobody can be asked.
  bool attempt(std::chrono::milliseconds timeout, const std::stop_token& stop) {
    const auto end = Steady::now() + timeout;
    // Twice: what we have may be old, and is then read again.
    for (int tries = 0; tries < 2; ++tries) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Steady::now());
      const kube::Call call{std::max(left, std::chrono::milliseconds{1}), 1, stop};
      // Only a holder knows what is in the lease without reading it.
      if (!(is_fresh_ && leads()) && !read(call)) return false;
      if (!may_take()) {
        heard();
        return false;
      }
      if (write(call)) return true;
    }
    return false;
  }

  bool read(const kube::Call& call) {
    const auto began = Steady::now();
    auto lease = client_.get(kube::leases(), options_.lease, "", call);
    if (!lease && lease.error().code != Errc::not_found) return failed(lease.error(), began);
    lease_ = lease ? std::move(*lease) : Json();
    if (lease) observed(lease_record(lease_), false, Steady::now());
    return true;
  }

  bool write(const kube::Call& call) {
    const LeaseRecord record = next_record();
    const Json object = lease_with(lease_, options_.lease, record);
    const auto began = Steady::now();
    auto written = lease_.is_null() ? client_.create(kube::leases(), object, {.call = call})
                                    : client_.replace(kube::leases(), object, {.call = call});
    // An answer that is lost may have been a success: the lease must be read again.
    is_fresh_ = written.ok();
    if (!written) return failed(written.error(), began);
    heard();
    lease_ = std::move(*written);
    observed(record, true, began);
    return true;
  }

  void release() {
    if (!may_release()) return;
    LeaseRecord record;
    {
      const std::lock_guard lock(mutex_);
      view_.resign();
      record = view_.released_record(std::chrono::system_clock::now());
    }
    is_fresh_ = false;
    const Json object = lease_with(lease_, options_.lease, record);
    const auto began = Steady::now();
    auto released = client_.replace(kube::leases(), object, {.call = {.timeout = kReleaseTime}});
    // Others wait for its end then.
    if (!released) (void)failed(released.error(), began);
  }

  // A call that began at `began`, and may have waited long for an answer.
  bool failed(const Error& error, Steady::time_point began) {
    if (error.code == Errc::cancelled) return false;
    if (error.code == Errc::conflict || error.code == Errc::already_exists) {
      heard();
      return false;
    }
    log::warn("lease", {{"lease", options_.lease.text()}, {"error", error.message}});
    const std::lock_guard lock(mutex_);
    trouble_ = ElectionTrouble{trouble_ ? trouble_->since : began, error.message};
    return false;
  }

  void heard() {
    const std::lock_guard lock(mutex_);
    trouble_.reset();
  }

  // A record that was read, or that we have written.
  void observed(const LeaseRecord& record, bool ours, Steady::time_point when) {
    {
      const std::lock_guard lock(mutex_);
      if (ours) view_.renewed(record, when);
      if (!ours) view_.observe(record, when);
      changed_.notify_all();
    }
    if (record.holder == leader_) return;
    leader_ = record.holder;
    if (options_.on_leader && !leader_.empty()) options_.on_leader(leader_);
  }

  bool may_take() const {
    const std::lock_guard lock(mutex_);
    return view_.may_take(Steady::now());
  }
  // Still ours, and not only because nobody has told us yet.
  bool may_release() const {
    const std::lock_guard lock(mutex_);
    return view_.leads(Steady::now()) && view_.holder() == options_.identity;
  }
  LeaseRecord next_record() const {
    const std::lock_guard lock(mutex_);
    return view_.next_record(std::chrono::system_clock::now());
  }
  std::chrono::milliseconds wait_time() const {
    const std::lock_guard lock(mutex_);
    return view_.wait(options_.random());
  }
  std::chrono::milliseconds left() const {
    const std::lock_guard lock(mutex_);
    return std::chrono::ceil<std::chrono::milliseconds>(view_.leads_until() - Steady::now());
  }
  bool is_finished() const {
    const std::lock_guard lock(mutex_);
    return finished_;
  }
  void wait_finished(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [this] { return finished_ || !view_.leads(Steady::now()); });
  }
  void wait(const std::stop_token& stop, std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, time, [] { return false; });
  }

  kube::Client& client_;
  const ElectionOptions options_;
  Json lease_;             // as it was last read or written; this and the next two: of thread_ only
  bool is_fresh_ = false;  // lease_ is what we have written last
  std::string leader_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  LeaseView view_;                          // guarded by mutex_
  std::optional<ElectionTrouble> trouble_;  // the same
  bool finished_ = false;                   // `lead` has returned; guarded by mutex_
  std::jthread thread_;                     // last: it ends before what it uses
};

}  // namespace

std::unique_ptr<Election> Election::start(kube::Client& client, ElectionOptions options) {
  return std::make_unique<LeaseElection>(client, std::move(options));
}

}  // namespace vibed::control
