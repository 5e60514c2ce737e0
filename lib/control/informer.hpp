// Informer: a copy of the objects of one kind that is kept as the API server has them.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "control/store.hpp"
#include "kube/client.hpp"

namespace vibed::control {

struct InformerOptions {
  kube::Resource resource;
  std::string space = {};  // empty: all namespaces
  std::string labels = {};
  std::string fields = {};
  std::map<std::string, IndexOf> indexes = {};
  // Called with each change, in order, on the informer's own thread, after the store has it. May
  // read the informer; must not wait for it, nor long for anything else.
  std::function<void(const Change&)> on_change = {};
  // The same for who keeps objects in the order of their versions: all that a list changes at once
  // (what an event changes, if anything), and the version that is known with it.
  std::function<void(const std::vector<Change>&, const std::string& version)> on_changes = {};
  // What find(), all(), find_by() and Change::before have. Change::after is always whole.
  Keep keep = Keep::whole;
  // Takes away of each object what nobody here reads. As it is: the list of field managers.
  std::function<void(Json&)> trim = {};
  std::function<double()> random = {};  // from 0 to 1; empty: random
};

// All methods may be called from any thread at once.
//
// Changes may be skipped, but never the newest state of an object. What is read may be older than
// what was just written; never older than what was read here before.
class Informer {
 public:
  // Begins to list and watch; `client` outlives it.
  static std::unique_ptr<Informer> start(kube::Client& client, InformerOptions options);

  // Ends within a moment, whatever the server does.
  virtual ~Informer() = default;

  virtual Object find(const ObjectKey& key) const = 0;
  virtual std::vector<Object> all() const = 0;
  virtual std::vector<Object> find_by(const std::string& index, const std::string& value) const = 0;
  virtual std::size_t size() const = 0;

  // Whether everything that was there at the start is in the store, and on_change was told.
  virtual bool has_synced() const = 0;
  // Waits for that. `deadline_exceeded` with what the last attempt failed of, `cancelled`.
  virtual Status wait_synced(const std::stop_token& stop,
                             std::chrono::steady_clock::time_point deadline) const = 0;

  // Since when nothing is heard of the server, for readiness: nothing while list or watch stand.
  virtual std::optional<std::chrono::steady_clock::time_point> deaf_since() const = 0;
};

}  // namespace vibed::control
