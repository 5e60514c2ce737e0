// Store: the objects that an informer knows, found by key or by index.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kube/watch.hpp"

namespace vibed::control {

using kube::Json;
using kube::ObjectKey;

// Never changed: a newer state is another object.
using Object = std::shared_ptr<const Json>;

// The values by which an object is to be found: of an index by owner the uids of its owners.
using IndexOf = std::function<std::vector<std::string>(const Json&)>;

struct Change {
  enum class Kind { added, updated, removed };
  Kind kind = Kind::added;
  Object before;  // of updated and removed: what was kept of what was known last
  Object after;   // of added and updated
  // Of removed: it was gone when the store looked again, so what it was in the end is not known.
  bool final_state_unknown = false;
};

// How much is kept of an object: all of it, or its name, uid, version and labels, for who is told
// of changes and keeps the rest in a form of his own.
enum class Keep { whole, identity };

// No lock: the informer has one.
class Store {
 public:
  // Indexes are of what is kept.
  explicit Store(std::map<std::string, IndexOf> indexes = {}, Keep keep = Keep::whole);

  // What an event changes; nothing if this state, or a newer one, is known already. `torn` instead
  // if it is older than events before it and of an object that is not known to be newer: then
  // something was missed or came in the wrong order, and only a list can tell.
  struct Outcome {
    std::optional<Change> change = {};
    bool torn = false;
  };
  Outcome apply(const kube::WatchEvent& event);

  // Becomes exactly `items`, a list of the version `version`; the changes in the order of keys.
  std::vector<Change> replace(std::vector<Json> items, const std::string& version);

  Object find(const ObjectKey& key) const;
  std::vector<Object> all() const;  // in the order of keys
  // The objects for which the index `name` has `value`. Nothing for an index that was not given.
  std::vector<Object> find_by(const std::string& name, const std::string& value) const;
  std::size_t size() const { return objects_.size(); }

  // The newest version seen, to watch from; "" before the first list.
  const std::string& version() const { return version_; }

 private:
  using Index = std::map<std::string, std::set<ObjectKey>>;

  void put(const ObjectKey& key, Object object);
  void erase(const ObjectKey& key);
  void index(const ObjectKey& key, const Json& object, bool add);

  const std::map<std::string, IndexOf> index_of_;
  const Keep keep_;
  std::map<ObjectKey, Object> objects_;
  std::map<std::string, Index> indexes_;
  std::string version_;
};

}  // namespace vibed::control
