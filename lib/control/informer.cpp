#include "control/informer.hpp"

#include <malloc.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "base/log.hpp"
#include "control/reflect.hpp"
#include "kube/pause.hpp"

namespace vibed::control {
namespace {

using Steady = std::chrono::steady_clock;

// A watch that ends sooner without a word has not been one.
constexpr std::chrono::seconds kShort{1};

double random_number() {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
}

void without_managers(Json& object) {
  if (auto metadata = object.find("metadata"); metadata != object.end() && metadata->is_object()) {
    metadata->erase("managedFields");
  }
}

// A list of thousands is many times what stays of it, in small pieces that glibc would keep.
void give_back_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

InformerOptions completed(InformerOptions options) {
  if (!options.random) options.random = random_number;
  if (!options.trim) options.trim = without_managers;
  return options;
}

Ended ended_of(const Error& error) {
  if (error.reason == "watch_expired") return Ended::expired;
  switch (error.code) {
    case Errc::resource_exhausted: return Ended::busy;
    case Errc::unauthenticated:
    case Errc::permission_denied:
    case Errc::not_found:
    case Errc::invalid_argument: return Ended::refused;
    default: return Ended::failed;
  }
}

class KeptInformer final : public Informer {
 public:
  KeptInformer(kube::Client& client, InformerOptions options)
      : client_(client),
        options_(completed(std::move(options))),
        store_(options_.indexes, options_.keep),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}

  Object find(const ObjectKey& key) const override {
    const std::lock_guard lock(mutex_);
    return store_.find(key);
  }
  std::vector<Object> all() const override {
    const std::lock_guard lock(mutex_);
    return store_.all();
  }
  std::vector<Object> find_by(const std::string& index, const std::string& value) const override {
    const std::lock_guard lock(mutex_);
    return store_.find_by(index, value);
  }
  std::size_t size() const override {
    const std::lock_guard lock(mutex_);
    return store_.size();
  }
  bool has_synced() const override {
    const std::lock_guard lock(mutex_);
    return synced_;
  }
  std::optional<Steady::time_point> deaf_since() const override {
    const std::lock_guard lock(mutex_);
    return deaf_since_;
  }

  Status wait_synced(const std::stop_token& stop, Steady::time_point deadline) const override {
    std::unique_lock lock(mutex_);
    if (changed_.wait_until(lock, stop, deadline, [this] { return synced_; })) return success();
    if (stop.stop_requested()) return Error{Errc::cancelled, "stopped"};
    const std::string why = last_error_.empty() ? "" : ": " + last_error_;
    return Error{Errc::deadline_exceeded, "no " + options_.resource.plural + " in time" + why};
  }

 private:
  void run(const std::stop_token& stop) {
    ReflectState state;
    Next next;
    while (kube::pause(stop, next.wait)) {
      const Outcome outcome = next.what == Next::Do::list ? list(stop) : watch(stop);
      next = next_step(state, outcome, options_.random());
    }
  }

  Outcome list(const std::stop_token& stop) {
    const kube::ListOptions wanted{.space = options_.space,
                                   .labels = options_.labels,
                                   .fields = options_.fields,
                                   .call = {.timeout = std::chrono::minutes(1), .stop = stop}};
    auto list = client_.list(options_.resource, wanted);
    if (!list) return failed(list.error(), {});
    for (Json& item : list->items) options_.trim(item);
    {
      std::vector<Change> changes;
      {
        const std::lock_guard lock(mutex_);
        changes = store_.replace(std::move(list->items), list->version);
        deaf_since_.reset();
      }
      tell(changes);
    }
    give_back_memory();
    {
      const std::lock_guard lock(mutex_);
      synced_ = true;
      changed_.notify_all();
    }
    return {.ended = Ended::listed};
  }

  Outcome watch(const std::stop_token& stop) {
    const auto from = Steady::now();
    Outcome outcome;
    bool torn = false;
    const auto timeout = watch_timeout(options_.random());
    const kube::WatchOptions wanted{.space = options_.space,
                                    .labels = options_.labels,
                                    .fields = options_.fields,
                                    .version = version(),
                                    .timeout = timeout,
                                    .stop = stop,
                                    .on_open = [this] { heard(); }};
    auto end = client_.watch(options_.resource, wanted, [&](kube::WatchEvent event) {
      outcome.progress = true;
      torn = !take(std::move(event));
      return !torn;
    });
    if (torn) {
      log::warn("watch: events out of order, listing again", {{"kind", options_.resource.plural}});
      outcome.ended = Ended::torn;
      return outcome;
    }
    if (!end.status) {
      Outcome after = failed(end.status.error(), end.retry_after);
      after.progress = outcome.progress;
      return after;
    }
    const bool is_short = !outcome.progress && Steady::now() - from < kShort;
    outcome.ended = is_short ? Ended::short_lived : Ended::timed_out;
    return outcome;
  }

  std::string version() const {
    const std::lock_guard lock(mutex_);
    return store_.version();
  }

  // False: the store cannot make sense of it.
  bool take(kube::WatchEvent event) {
    options_.trim(event.object);
    Store::Outcome outcome;
    {
      const std::lock_guard lock(mutex_);
      outcome = store_.apply(event);
    }
    if (outcome.torn) return false;
    tell(outcome.change ? std::vector{*outcome.change} : std::vector<Change>());
    return true;
  }

  void heard() {
    const std::lock_guard lock(mutex_);
    deaf_since_.reset();
  }

  void tell(const std::vector<Change>& changes) const {
    if (options_.on_changes) options_.on_changes(changes, version());
    if (!options_.on_change) return;
    for (const Change& change : changes) options_.on_change(change);
  }

  Outcome failed(const Error& error, std::optional<Milliseconds> retry_after) {
    const Ended ended = ended_of(error);
    {
      const std::lock_guard lock(mutex_);
      last_error_ = error.message;
      // An expired watch was an answer.
      if (!deaf_since_ && ended != Ended::expired) deaf_since_ = Steady::now();
    }
    if (error.code != Errc::cancelled && ended != Ended::expired) {
      log::warn("watch", {{"kind", options_.resource.plural}, {"error", error.message}});
    }
    return {.ended = ended, .retry_after = retry_after.value_or(Milliseconds{0})};
  }

  kube::Client& client_;
  const InformerOptions options_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  Store store_;             // guarded by mutex_
  bool synced_ = false;     // guarded by mutex_
  std::string last_error_;  // guarded by mutex_
  // Deaf from the start.
  std::optional<Steady::time_point> deaf_since_ = Steady::now();  // guarded by mutex_
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace

std::unique_ptr<Informer> Informer::start(kube::Client& client, InformerOptions options) {
  return std::make_unique<KeptInformer>(client, std::move(options));
}

}  // namespace vibed::control
