// AppStore keeps the App records and tells who watches what changed.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "vibed/app.hpp"
#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

struct AppPage {
  std::vector<App> items;  // sorted by name
  std::int64_t total = 0;  // before limit and offset
};

struct AppEvent {
  bool gone =
      false;  // the record no longer exists; only name, space, uid and resource_version are set
  App app;
};

// Changes of one store, in the order of their resource versions. One thread at a time.
class VIBED_EXPORT AppWatch {
 public:
  virtual ~AppWatch() = default;

  // The next change, waiting for it. Fails with `deadline_exceeded` at `deadline` and with
  // `cancelled` when `stop` is requested; both leave the watch usable. Fails with `conflict`
  // (watch_expired) when records have gone since `from` that the store no longer knows of.
  virtual Result<AppEvent> next(std::stop_token stop,
                                std::chrono::steady_clock::time_point deadline) = 0;
};

// The records of all apps of one space.
//
// All methods may be called from any thread at once. A record's spec, labels and versions are the
// service's, its status the lifecycle's: neither write touches the other's part.
class VIBED_EXPORT AppStore {
 public:
  virtual ~AppStore() = default;

  // Stores a new app (name, labels, versions and spec of `app` count) and returns it with uid,
  // generation 1 and times. Durable on return. `already_exists` if the name is taken, also by a
  // record that is marked as removed.
  virtual Result<App> create(const App& app) = 0;

  // `not_found` if there is none. A record marked as removed is still returned.
  virtual Result<App> get(const std::string& name) = 0;
  virtual Result<App> find_by_label(const std::string& label) = 0;  // indexed

  // Apps of `owner`, or everybody's when it is empty. limit <= 0: all; offset < 0: 0.
  virtual Result<AppPage> list(const std::string& owner, std::int64_t limit,
                               std::int64_t offset) = 0;

  // Replaces spec, labels and versions of the record `app.name` if its resource_version and uid
  // are still `app`'s, and adds one to its generation when the spec differs. Durable on return.
  // `conflict` if somebody wrote first (a status write too), `not_found`.
  virtual Result<App> write_spec(const App& app) = 0;

  // Replaces the status of the record with that name and uid. Never bumps the generation; an equal
  // status changes nothing. Not synced to disk: it can be recomputed.
  virtual Result<App> write_status(const std::string& name, const std::string& uid,
                                   const AppStatus& status) = 0;

  // Marks the app as removed (idempotent); it goes when the lifecycle calls finish_remove. Durable.
  virtual Status remove(const std::string& name) = 0;

  // Lets a record that is marked as removed go. A success if it is gone already.
  virtual Status finish_remove(const std::string& name, const std::string& uid) = 0;

  // Everything that changes after resource version `from`; 0 gives every app first. Never misses
  // the newest state of an app, may skip states between. The store outlives the watch.
  virtual std::unique_ptr<AppWatch> watch(std::int64_t from) = 0;
};

// Records in the SQLite database at `path`, made if absent. One process at a time; a database of a
// newer vibed is `invalid_argument` with the reason data_too_new; so is one with apps of another
// space (bad_config), whose sources nobody would know of. A damaged record is left out of lists and
// watches; list() still counts it.
VIBED_EXPORT Result<std::unique_ptr<AppStore>> open_sqlite_app_store(const std::string& path,
                                                                     const std::string& space);

VIBED_EXPORT std::unique_ptr<AppStore> make_memory_app_store(const std::string& space);

}  // namespace vibed
