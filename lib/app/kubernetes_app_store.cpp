#include "app/kubernetes_app_store.hpp"

#include <condition_variable>
#include <mutex>

#include "app/app_cache.hpp"
#include "app/record.hpp"
#include "base/log.hpp"
#include "control/informer.hpp"

namespace vibed {
namespace {

using kube::Json;
using kube::PatchType;
using Steady = std::chrono::steady_clock;

// Tries of one write against others who write the same record. Each that fails was somebody's
// success.
constexpr int kTries = 20;

// An answer of the API server that may be about an older state than ours, or another object.
bool is_about_another_state(const Error& error) {
  return error.code == Errc::conflict || error.code == Errc::invalid_argument ||
         error.code == Errc::not_found;
}

Error written_by_another(const std::string& name) {
  return {Errc::conflict, "app \"" + name + "\" was written by somebody else"};
}

class Store final : public KubernetesAppStore {
 public:
  Store(kube::Client& client, const KubernetesAppStoreOptions& options)
      : client_(client),
        options_(options),
        cache_(options.space),
        hub_([this](WatchPosition position) { return first_after(position); }),
        informer_(control::Informer::start(client, informer_options())) {}

  Status wait_synced() {
    return informer_->wait_synced(options_.stop, Steady::now() + options_.sync_timeout);
  }

  Result<App> create(const App& app) override {
    auto wanted = created_record(fit_for_kubernetes(app), options_.space, {});
    if (!wanted) return wanted;
    auto made =
        client_.create(vibed_apps(), created_object(*wanted, options_.space), write_options());
    if (!made && made.error().code == Errc::already_exists) {
      (void)fetch(app.name);
      return Error{Errc::already_exists, "app \"" + app.name + "\" exists"};
    }
    return app_learned(made);
  }

  Result<App> get(const std::string& name) override {
    RecordPointer record = find(name);
    if (record == nullptr) return no_such_app(name);
    return record->app;
  }

  Result<App> find_by_label(const std::string& label) override {
    std::lock_guard lock(mutex_);
    RecordPointer record = cache_.find_by_label(label);
    if (record == nullptr) {
      return Error{Errc::not_found, "there is no app behind \"" + label + "\""};
    }
    return record->app;
  }

  Result<AppPage> list(const std::string& owner, std::int64_t limit, std::int64_t offset) override {
    std::vector<RecordPointer> all;
    {
      std::lock_guard lock(mutex_);
      all = cache_.all();
    }
    AppPage page;
    for (const RecordPointer& record : all) {
      if (!owner.empty() && record->app.spec.owner != owner) continue;
      const std::int64_t index = page.total++;
      const bool wanted = index >= offset && (limit <= 0 || std::ssize(page.items) < limit);
      if (wanted) page.items.push_back(record->app);
    }
    return page;
  }

  Result<App> write_spec(const App& app) override;
  Result<App> write_status(const std::string& name, const std::string& uid,
                           const AppStatus& status) override;
  Status remove(const std::string& name) override;
  Status finish_remove(const std::string& name, const std::string& uid) override;

  std::unique_ptr<AppWatch> watch(std::int64_t from) override {
    return hub_.watch(from, [this] {
      std::lock_guard lock(mutex_);
      return cache_.horizon();
    });
  }

  Status catch_up(std::stop_token stop, Steady::time_point deadline) override {
    std::unique_lock lock(mutex_);
    const auto is_done = [this] { return cache_.is_caught_up(); };
    if (told_.wait_until(lock, stop, deadline, is_done)) return success();
    if (stop.stop_requested()) return Error{Errc::cancelled, "stopped"};
    return Error{Errc::deadline_exceeded, "the watch has not told in time what was written"};
  }

  std::optional<Steady::time_point> deaf_since() const override { return informer_->deaf_since(); }

 private:
  control::InformerOptions informer_options() {
    control::InformerOptions options;
    options.resource = vibed_apps();
    options.space = options_.space;
    options.keep = control::Keep::identity;
    options.on_changes = [this](const auto& changes, const auto& version) {
      tell(changes, version);
    };
    return options;
  }

  kube::Call call() const { return {.timeout = options_.call_timeout, .stop = options_.stop}; }
  kube::WriteOptions write_options() const { return {.call = call()}; }
  kube::ObjectKey key(const std::string& name) const { return {options_.space, name}; }

  RecordPointer find(const std::string& name) const {
    std::lock_guard lock(mutex_);
    return cache_.find(name);
  }

  void tell(const std::vector<control::Change>& changes, const std::string& version);
  Result<std::optional<PlacedEvent>> first_after(WatchPosition position);

  Result<RecordPointer> learned(const Result<Json>& answer);
  Result<App> app_learned(const Result<Json>& answer);
  // The record of `name` as the API server has it now.
  Result<RecordPointer> fetch(const std::string& name);
  // What is known of `name` if it is of `uid`, else what the API server has. `not_found`: it has
  // none, or one of another uid.
  Result<RecordPointer> find_or_fetch(const std::string& name, const std::string& uid);
  Result<RecordPointer> fetch_of(const std::string& name, const std::string& uid);
  Result<RecordPointer> held(RecordPointer record);
  void gone(const KubernetesRecord& record);

  kube::Client& client_;
  const KubernetesAppStoreOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable_any told_;
  AppCache cache_;  // guarded by mutex_
  WatchHub hub_;
  std::unique_ptr<control::Informer> informer_;  // last: it ends before what it uses
};

void Store::tell(const std::vector<control::Change>& changes, const std::string& version) {
  std::vector<AppCache::News> news;
  for (const control::Change& change : changes) {
    const Json* before = change.before.get();
    const Json* after = change.after.get();
    const bool is_gone =
        before != nullptr && (after == nullptr || kube::uid_of(*before) != kube::uid_of(*after));
    if (is_gone) news.push_back({kube::key_of(*before).name, kube::uid_of(*before), nullptr, 0});
    if (after == nullptr) continue;
    auto record = read_record(*after);
    if (!record) {
      // One record that cannot be read must not keep the others from being seen.
      log::error("an app cannot be read",
                 {{"app", kube::key_of(*after).name}, {"error", record.error().message}});
      continue;
    }
    const App& app = (*record)->app;
    news.push_back({app.name, app.uid, *record, app.resource_version});
  }
  const auto number = static_cast<std::int64_t>(kube::version_number(version).value_or(0));
  std::lock_guard lock(mutex_);
  cache_.told(std::move(news), number);
  cache_.prune(hub_.known_gone());
  hub_.advance(cache_.last_place());
  told_.notify_all();
}

Result<std::optional<PlacedEvent>> Store::first_after(WatchPosition position) {
  std::lock_guard lock(mutex_);
  return cache_.first_after(position);
}

Result<RecordPointer> Store::learned(const Result<Json>& answer) {
  if (!answer) return answer.error();
  auto record = read_record(*answer);
  if (!record) return record;
  std::lock_guard lock(mutex_);
  cache_.learned(*record);
  return record;
}

Result<App> Store::app_learned(const Result<Json>& answer) {
  auto record = learned(answer);
  if (!record) return std::move(record).error();
  return (*record)->app;
}

void Store::gone(const KubernetesRecord& record) {
  std::lock_guard lock(mutex_);
  cache_.learned_gone(record.app.name, record.app.uid, record.app.resource_version);
}

Result<RecordPointer> Store::fetch(const std::string& name) {
  const RecordPointer known = find(name);
  auto answer = client_.get(vibed_apps(), key(name), {}, call());
  if (!answer && answer.error().code == Errc::not_found) {
    if (known != nullptr) gone(*known);
    return no_such_app(name);
  }
  return learned(answer);
}

Result<RecordPointer> Store::fetch_of(const std::string& name, const std::string& uid) {
  auto record = fetch(name);
  if (record && (*record)->app.uid != uid) return no_such_app(name);
  return record;
}

Result<RecordPointer> Store::find_or_fetch(const std::string& name, const std::string& uid) {
  RecordPointer known = find(name);
  if (known != nullptr && known->app.uid == uid) return known;
  return fetch_of(name, uid);
}

Result<App> Store::write_spec(const App& app) {
  const App fit = fit_for_kubernetes(app);
  RecordPointer record = find(app.name);
  // Made from a state that is not known here yet, of another store.
  if (record == nullptr || record->app.resource_version < app.resource_version) {
    auto fetched = fetch(app.name);
    if (!fetched) return std::move(fetched).error();
    record = *fetched;
  }
  for (int tries = 1;; ++tries) {
    auto next = with_spec(record->app, fit);
    if (!next || *next == record->app) return next;
    auto answer = client_.patch(vibed_apps(), key(app.name), PatchType::merge,
                                spec_patch(*record, *next), write_options());
    if (answer || !is_about_another_state(answer.error())) return app_learned(answer);
    auto now = fetch(app.name);
    if (!now) return std::move(now).error();
    const App& found = (*now)->app;
    if (found.uid != app.uid) return written_by_another(app.name);
    // Written by this very call, whose answer was lost.
    if (found.spec == next->spec && found.labels == next->labels &&
        found.versions == next->versions) {
      return found;
    }
    if (found.resource_version != app.resource_version) return written_by_another(app.name);
    if (tries == kTries || answer.error().code != Errc::conflict) return answer.error();
  }
}

// With our finalizer, unless it is too late for that.
Result<RecordPointer> Store::held(RecordPointer record) {
  for (int tries = 1; !record->is_held() && !record->app.removed_at; ++tries) {
    const App& app = record->app;
    auto answer = client_.patch(vibed_apps(), key(app.name), PatchType::merge, hold_patch(*record),
                                write_options());
    if (answer || !is_about_another_state(answer.error())) return learned(answer);
    auto now = fetch_of(app.name, app.uid);
    if (!now) return now;
    if (tries == kTries) return answer.error();
    record = *now;
  }
  return record;
}

Result<App> Store::write_status(const std::string& name, const std::string& uid,
                                const AppStatus& status) {
  auto record = find_or_fetch(name, uid);
  for (int tries = 1; record; ++tries) {
    App wanted = (*record)->app;
    wanted.status = status;
    auto next = as_stored(fit_for_kubernetes(std::move(wanted)));
    if (!next || next->status == (*record)->app.status) return (*record)->app;
    record = held(*record);
    if (!record) break;
    kube::WriteOptions options = write_options();
    options.subresource = "status";
    auto answer = client_.patch(vibed_apps(), key(name), PatchType::json,
                                status_patch(uid, next->status), options);
    if (answer || !is_about_another_state(answer.error())) return app_learned(answer);
    record = fetch_of(name, uid);
    if (!record) break;
    // Not for a status that is refused for what it is.
    if (tries == kTries || answer.error().code != Errc::conflict) return answer.error();
  }
  return std::move(record).error();
}

Status Store::remove(const std::string& name) {
  RecordPointer known = find(name);
  auto record = known != nullptr ? Result<RecordPointer>(known) : fetch(name);
  for (int tries = 1; record; ++tries) {
    if ((*record)->app.removed_at) return success();
    // Else it would be gone at once, with all that the lifecycle has to release.
    record = held(*record);
    if (!record) break;
    Status marked =
        client_.remove(vibed_apps(), key(name), {.uid = (*record)->app.uid, .call = call()});
    if (!marked && !is_about_another_state(marked.error())) return marked;
    record = fetch(name);
    if (marked) return success();
    if (record && tries == kTries) return marked;
  }
  return std::move(record).error();
}

Status Store::finish_remove(const std::string& name, const std::string& uid) {
  auto record = find_or_fetch(name, uid);
  if (record && !(*record)->app.removed_at) record = fetch_of(name, uid);
  for (int tries = 1; record; ++tries) {
    if (!(*record)->app.removed_at) {
      return Error{Errc::conflict, "app \"" + name + "\" is not marked as removed"};
    }
    if (!(*record)->is_held()) return success();
    auto answer = client_.patch(vibed_apps(), key(name), PatchType::json, release_patch(**record),
                                write_options());
    if (answer) {
      auto last = learned(answer);  // and what others hold still is only that
      if (last && (*last)->finalizers.empty()) gone(**last);
      return success();
    }
    if (!is_about_another_state(answer.error())) return answer.error();
    record = fetch_of(name, uid);
    if (record && tries == kTries) return answer.error();
  }
  if (record.error().code == Errc::not_found) return success();
  return std::move(record).error();
}

}  // namespace

Result<std::unique_ptr<KubernetesAppStore>> open_kubernetes_app_store(
    kube::Client& client, const KubernetesAppStoreOptions& options) {
  auto store = std::make_unique<Store>(client, options);
  if (Status synced = store->wait_synced(); !synced) {
    return std::move(synced).error().during("read the apps of the cluster");
  }
  return std::unique_ptr<KubernetesAppStore>(std::move(store));
}

}  // namespace vibed
