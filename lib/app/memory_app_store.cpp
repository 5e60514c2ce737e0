// The AppStore that lives and dies with its process.
#include <iterator>
#include <map>
#include <mutex>

#include "app/record.hpp"
#include "app/watch_hub.hpp"
#include "vibed/app_store.hpp"

namespace vibed {
namespace {

class MemoryAppStore final : public AppStore {
 public:
  explicit MemoryAppStore(std::string space)
      : space_(std::move(space)),
        hub_([this](WatchPosition position) { return first_after(position); }) {}

  Result<App> create(const App& app) override {
    return write([&]() -> Result<App> {
      if (apps_.contains(app.name)) {
        return Error{Errc::already_exists, "app \"" + app.name + "\" exists"};
      }
      auto record = created_record(app, space_, std::chrono::system_clock::now());
      if (!record) return record;
      by_label_[app_label(space_, app.name)] = app.name;
      return keep(*std::move(record));
    });
  }

  Result<App> get(const std::string& name) override {
    std::lock_guard lock(mutex_);
    auto at = apps_.find(name);
    if (at == apps_.end()) return no_such_app(name);
    return at->second;
  }

  Result<App> find_by_label(const std::string& label) override {
    std::lock_guard lock(mutex_);
    auto at = by_label_.find(label);
    if (at == by_label_.end()) {
      return Error{Errc::not_found, "there is no app behind \"" + label + "\""};
    }
    return apps_.at(at->second);
  }

  Result<AppPage> list(const std::string& owner, std::int64_t limit, std::int64_t offset) override {
    std::lock_guard lock(mutex_);
    AppPage page;
    for (const auto& [name, app] : apps_) {
      if (!owner.empty() && app.spec.owner != owner) continue;
      std::int64_t index = page.total++;
      bool wanted = index >= offset && (limit <= 0 || std::ssize(page.items) < limit);
      if (wanted) page.items.push_back(app);
    }
    return page;
  }

  Result<App> write_spec(const App& app) override {
    return write([&] { return change(app.name, [&](auto& old) { return with_spec(old, app); }); });
  }

  Result<App> write_status(const std::string& name, const std::string& uid,
                           const AppStatus& status) override {
    return write([&]() -> Result<App> {
      auto at = apps_.find(name);
      if (at == apps_.end() || at->second.uid != uid) return no_such_app(name);
      return change(name, [&](auto& old) { return with_status(old, status); });
    });
  }

  Status remove(const std::string& name) override {
    auto removed = write([&] {
      return change(name, [&](const App& old) -> Result<App> {
        App next = old;
        if (!next.removed_at) next.removed_at = std::chrono::system_clock::now();
        return as_stored(next);
      });
    });
    if (!removed) return std::move(removed).error();
    return success();
  }

  Status finish_remove(const std::string& name, const std::string& uid) override {
    std::lock_guard lock(mutex_);
    auto at = apps_.find(name);
    if (at == apps_.end() || at->second.uid != uid) return success();
    if (!at->second.removed_at) {
      return Error{Errc::conflict, "app \"" + name + "\" is not marked as removed"};
    }
    App gone;
    gone.name = name;
    gone.space = space_;
    gone.uid = uid;
    gone.resource_version = ++version_;
    by_version_.erase(at->second.resource_version);
    by_label_.erase(app_label(space_, name));
    apps_.erase(at);
    gone_[version_] = std::move(gone);
    prune();
    hub_.advance(version_);
    return success();
  }

  std::unique_ptr<AppWatch> watch(std::int64_t from) override {
    return hub_.watch(from, [this] {
      std::lock_guard lock(mutex_);
      return horizon_;
    });
  }

 private:
  template <class Write>
  Result<App> write(Write body) {
    std::lock_guard lock(mutex_);
    Result<App> written = body();
    hub_.advance(version_);
    return written;
  }

  // REQUIRES: mutex_ is held, as by all below
  Result<App> change(const std::string& name,
                     const std::function<Result<App>(const App&)>& changed) {
    auto at = apps_.find(name);
    if (at == apps_.end()) return no_such_app(name);
    auto next = changed(at->second);
    if (!next || *next == at->second) return next;
    by_version_.erase(at->second.resource_version);
    return keep(*std::move(next));
  }

  App keep(App app) {
    app.resource_version = ++version_;
    by_version_[version_] = app.name;
    return apps_[app.name] = std::move(app);
  }

  void prune() {
    std::int64_t known = hub_.known_gone();
    while (std::ssize(gone_) > kTombstonesKept && gone_.begin()->first <= known) {
      horizon_ = gone_.begin()->first;
      gone_.erase(gone_.begin());
    }
  }

  Result<std::optional<PlacedEvent>> first_after(WatchPosition position) {
    std::lock_guard lock(mutex_);
    auto live = by_version_.upper_bound(position.live);
    auto gone = gone_.upper_bound(position.gone);
    bool has_live = live != by_version_.end();
    bool has_gone = gone != gone_.end();
    if (has_gone && (!has_live || gone->first < live->first)) {
      return std::optional(PlacedEvent{gone->first, {true, gone->second}});
    }
    if (has_live) return std::optional(PlacedEvent{live->first, {false, apps_.at(live->second)}});
    return std::optional<PlacedEvent>();
  }

  const std::string space_;
  std::mutex mutex_;
  std::map<std::string, App> apps_;                 // guarded by mutex_, as all below
  std::map<std::int64_t, std::string> by_version_;  // the name of each record, by its version
  std::map<std::string, std::string> by_label_;
  std::map<std::int64_t, App> gone_;  // tombstones
  std::int64_t horizon_ = 0;          // tombstones up to here were pruned
  std::int64_t version_ = 0;
  WatchHub hub_;
};

}  // namespace

std::unique_ptr<AppStore> make_memory_app_store(const std::string& space) {
  return std::make_unique<MemoryAppStore>(space);
}

}  // namespace vibed
