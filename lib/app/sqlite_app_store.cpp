// The AppStore of one machine: records in SQLite, each as the JSON of its custom resource.
#include <array>
#include <mutex>

#include "app/record.hpp"
#include "app/watch_hub.hpp"
#include "base/error_codes.hpp"
#include "base/log.hpp"
#include "sql/sqlite.hpp"
#include "vibed/app_store.hpp"

namespace vibed {
namespace {

using sql::Connection;
using sql::Sync;

// Append only; a changed schema is a new step.
constexpr std::array<std::string_view, 1> kMigrations = {R"sql(
  CREATE TABLE apps (
    space TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, label TEXT NOT NULL,
    owner TEXT NOT NULL, version INTEGER NOT NULL, object TEXT NOT NULL);
  CREATE UNIQUE INDEX apps_by_name ON apps (space, name);
  CREATE UNIQUE INDEX apps_by_label ON apps (space, label);
  CREATE INDEX apps_by_owner ON apps (space, owner, name);
  CREATE UNIQUE INDEX apps_by_version ON apps (space, version);
  CREATE TABLE gone (
    version INTEGER PRIMARY KEY, space TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL);
)sql"};

// ?2 is the owner; a query for everybody's is given an empty one and must not filter by it.
constexpr std::string_view kCountAll = "SELECT count(*) FROM apps WHERE space = ?1 AND ?2 = ''";
constexpr std::string_view kCountOwned =
    "SELECT count(*) FROM apps WHERE space = ?1 AND owner = ?2";
constexpr std::string_view kListAll =
    "SELECT object, version FROM apps WHERE space = ?1 AND ?2 = '' "
    "ORDER BY name LIMIT ?3 OFFSET ?4";
constexpr std::string_view kListOwned =
    "SELECT object, version FROM apps WHERE space = ?1 AND owner = ?2 "
    "ORDER BY name LIMIT ?3 OFFSET ?4";

// A row without an object is a tombstone.
constexpr std::string_view kFirstAfter =
    "SELECT version, object, name, uid FROM apps WHERE version > ?1 AND space = ?3 UNION ALL "
    "SELECT version, '', name, uid FROM gone WHERE version > ?2 AND space = ?3 ORDER BY 1";

// The resource version lives in a column of its own, so that it is set without parsing.
Result<App> read_app(const std::string& object, std::int64_t version) {
  auto app = app_from_json(object);
  if (!app) return Error{Errc::internal, "a damaged record: " + app.error().message};
  app->resource_version = version;
  return app;
}

class SqliteAppStore final : public AppStore {
 public:
  SqliteAppStore(Connection writer, Connection reader, std::string space, std::int64_t version)
      : space_(std::move(space)),
        writer_(std::move(writer)),
        version_(version),
        reader_(std::move(reader)),
        hub_([this](WatchPosition position) { return first_after(position); }) {
    hub_.advance(version);
  }

  Result<App> create(const App& app) override {
    return write(Sync::full, [&]() -> Result<App> {
      auto taken = read_one(writer_, "name", app.name);
      if (taken) return Error{Errc::already_exists, "app \"" + app.name + "\" exists"};
      if (taken.error().code != Errc::not_found) return taken;
      auto record = created_record(app, space_, std::chrono::system_clock::now());
      if (!record) return record;
      return insert(*std::move(record));
    });
  }

  Result<App> get(const std::string& name) override {
    std::lock_guard lock(read_mutex_);
    return read_one(reader_, "name", name);
  }

  Result<App> find_by_label(const std::string& label) override {
    std::lock_guard lock(read_mutex_);
    return read_one(reader_, "label", label);
  }

  Result<AppPage> list(const std::string& owner, std::int64_t limit, std::int64_t offset) override;

  Result<App> write_spec(const App& app) override {
    return change(Sync::full, app.name, [&](const App& old) { return with_spec(old, app); });
  }

  Result<App> write_status(const std::string& name, const std::string& uid,
                           const AppStatus& status) override {
    return change(Sync::normal, name, [&](const App& old) -> Result<App> {
      if (old.uid != uid) return no_such_app(name);
      return with_status(old, status);
    });
  }

  Status remove(const std::string& name) override {
    auto removed = change(Sync::full, name, [](const App& old) -> Result<App> {
      App next = old;
      if (!next.removed_at) next.removed_at = std::chrono::system_clock::now();
      return as_stored(next);
    });
    if (!removed) return std::move(removed).error();
    return success();
  }

  Status finish_remove(const std::string& name, const std::string& uid) override;

  std::unique_ptr<AppWatch> watch(std::int64_t from) override {
    return hub_.watch(from, [this] { return horizon(); });
  }

 private:
  // Runs `body` in a transaction. What it wrote can be read, and is told, when this returns.
  Result<App> write(Sync sync, const std::function<Result<App>()>& body);
  Result<App> change(Sync sync, const std::string& name,
                     const std::function<Result<App>(const App&)>& changed);
  // REQUIRES: write_mutex_ is held
  Result<App> insert(App app);
  Result<App> update(App app);
  Result<App> erase(const App& app);
  // REQUIRES: the mutex of `connection` is held
  Result<App> read_one(Connection& connection, std::string_view column, const std::string& value);

  Result<std::optional<PlacedEvent>> first_after(WatchPosition position);
  std::int64_t horizon();

  const std::string space_;
  std::mutex write_mutex_;
  Connection writer_;     // guarded by write_mutex_
  std::int64_t version_;  // the newest there is; guarded by write_mutex_
  std::mutex read_mutex_;
  Connection reader_;  // guarded by read_mutex_; reads never wait for a write's fsync
  WatchHub hub_;
};

Result<App> SqliteAppStore::write(Sync sync, const std::function<Result<App>()>& body) {
  std::lock_guard lock(write_mutex_);
  if (Status set = writer_.set_sync(sync); !set) return std::move(set).error();
  auto transaction = sql::Transaction::begin(writer_);
  if (!transaction) return std::move(transaction).error();
  Result<App> written = body();
  if (!written || written->resource_version <= version_) return written;
  if (Status done = transaction->commit(); !done) return std::move(done).error();
  version_ = written->resource_version;
  hub_.advance(version_);
  return written;
}

Result<App> SqliteAppStore::change(Sync sync, const std::string& name,
                                   const std::function<Result<App>(const App&)>& changed) {
  return write(sync, [&]() -> Result<App> {
    auto old = read_one(writer_, "name", name);
    if (!old) return old;
    auto next = changed(*old);
    if (!next || *next == *old) return next;
    return update(*std::move(next));
  });
}

Result<App> SqliteAppStore::insert(App app) {
  app.resource_version = version_ + 1;
  std::string label = app_label(space_, app.name);
  std::string object = to_json(app);
  Status done = writer_.run(
      "INSERT INTO apps (space, name, uid, label, owner, version, object) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      {space_, app.name, app.uid, label, app.spec.owner, app.resource_version, object});
  if (!done) return std::move(done).error();
  return app;
}

Result<App> SqliteAppStore::update(App app) {
  app.resource_version = version_ + 1;
  std::string object = to_json(app);
  Status done =
      writer_.run("UPDATE apps SET owner = ?, version = ?, object = ? WHERE space = ? AND name = ?",
                  {app.spec.owner, app.resource_version, object, space_, app.name});
  if (!done) return std::move(done).error();
  return app;
}

Result<App> SqliteAppStore::erase(const App& app) {
  App gone;
  gone.name = app.name;
  gone.uid = app.uid;
  gone.resource_version = version_ + 1;
  Status done = writer_.run("DELETE FROM apps WHERE space = ? AND name = ?", {space_, app.name});
  if (done) {
    done = writer_.run("INSERT INTO gone (version, space, name, uid) VALUES (?, ?, ?, ?)",
                       {gone.resource_version, space_, app.name, app.uid});
  }
  if (done) {
    done = writer_.run(
        "DELETE FROM gone WHERE version <= ? AND version <= "
        "(SELECT version FROM gone ORDER BY version DESC LIMIT 1 OFFSET ?)",
        {hub_.known_gone(), kTombstonesKept});
  }
  if (!done) return std::move(done).error();
  return gone;
}

Result<App> SqliteAppStore::read_one(Connection& connection, std::string_view column,
                                     const std::string& value) {
  auto query = connection.query(
      column == "name" ? "SELECT object, version FROM apps WHERE space = ? AND name = ?"
                       : "SELECT object, version FROM apps WHERE space = ? AND label = ?",
      {space_, value});
  if (!query) return std::move(query).error();
  auto row = query->next();
  if (!row) return std::move(row).error();
  if (!*row) return no_such_app(value);
  return read_app(query->text(0), query->number(1));
}

Result<AppPage> SqliteAppStore::list(const std::string& owner, std::int64_t limit,
                                     std::int64_t offset) {
  std::int64_t rows = limit <= 0 ? -1 : limit;
  std::int64_t skip = std::max<std::int64_t>(offset, 0);
  AppPage page;
  std::vector<std::pair<std::string, std::int64_t>> objects;
  {
    std::lock_guard lock(read_mutex_);
    auto moment = sql::Transaction::begin_read(reader_);
    if (!moment) return std::move(moment).error();
    auto total = reader_.number(owner.empty() ? kCountAll : kCountOwned, {space_, owner});
    if (!total) return std::move(total).error();
    page.total = *total;
    auto query = reader_.query(owner.empty() ? kListAll : kListOwned, {space_, owner, rows, skip});
    if (!query) return std::move(query).error();
    for (;;) {
      auto row = query->next();
      if (!row) return std::move(row).error();
      if (!*row) break;
      objects.emplace_back(query->text(0), query->number(1));
    }
  }
  for (const auto& [object, version] : objects) {
    auto app = read_app(object, version);
    if (!app) log::error("an app cannot be read", {{"error", app.error().message}});
    if (app) page.items.push_back(*std::move(app));
  }
  return page;
}

Status SqliteAppStore::finish_remove(const std::string& name, const std::string& uid) {
  // Not synced: a mark that comes back after a power cut is finished again.
  auto gone = write(Sync::normal, [&]() -> Result<App> {
    auto app = read_one(writer_, "name", name);
    if (!app && app.error().code != Errc::not_found) return app;
    if (!app || app->uid != uid) return App{};
    if (!app->removed_at) {
      return Error{Errc::conflict, "app \"" + name + "\" is not marked as removed"};
    }
    return erase(*app);
  });
  if (!gone) return std::move(gone).error();
  return success();
}

Result<std::optional<PlacedEvent>> SqliteAppStore::first_after(WatchPosition position) {
  std::lock_guard lock(read_mutex_);
  // One statement, so that records and tombstones are of one moment.
  auto query = reader_.query(kFirstAfter, {position.live, position.gone, space_});
  if (!query) return std::move(query).error();
  for (;;) {
    auto row = query->next();
    if (!row) return std::move(row).error();
    if (!*row) return std::optional<PlacedEvent>();
    std::int64_t version = query->number(0);
    std::string object = query->text(1);
    if (object.empty()) {
      App gone;
      gone.name = query->text(2);
      gone.space = space_;
      gone.uid = query->text(3);
      gone.resource_version = version;
      return std::optional(PlacedEvent{version, {true, std::move(gone)}});
    }
    // One damaged record must not keep the others from being seen.
    auto app = read_app(object, version);
    if (app) return std::optional(PlacedEvent{version, {false, *std::move(app)}});
    log::error("an app cannot be read", {{"app", query->text(2)}, {"error", app.error().message}});
  }
}

// Pruning leaves at least kTombstonesKept of them, so with fewer none was ever pruned.
std::int64_t SqliteAppStore::horizon() {
  std::lock_guard lock(write_mutex_);
  auto oldest =
      writer_.number("SELECT CASE WHEN count(*) > ? THEN min(version) - 1 ELSE 0 END FROM gone",
                     {kTombstonesKept - 1});
  // A database that cannot be read fails in the watch's next().
  return oldest ? *oldest : 0;
}

}  // namespace

Result<std::unique_ptr<AppStore>> open_sqlite_app_store(const std::string& path,
                                                        const std::string& space) {
  auto writer = Connection::open(path);
  if (!writer) return std::move(writer).error();
  if (Status done = sql::migrate(*writer, kMigrations); !done) {
    return std::move(done).error().during("open " + path);
  }
  auto reader = Connection::open(path);
  if (!reader) return std::move(reader).error();
  auto strangers = writer->number("SELECT count(*) FROM apps WHERE space <> ?", {space});
  if (!strangers) return std::move(strangers).error().during("open " + path);
  if (*strangers > 0) {
    return make_error("bad_config",
                      "open " + path + ": it has apps of another namespace than \"" + space + "\"");
  }
  auto version = writer->number(
      "SELECT max(ifnull((SELECT max(version) FROM apps), 0), "
      "ifnull((SELECT max(version) FROM gone), 0))");
  if (!version) return std::move(version).error().during("open " + path);
  return std::unique_ptr<AppStore>(
      std::make_unique<SqliteAppStore>(*std::move(writer), *std::move(reader), space, *version));
}

}  // namespace vibed
