#include "control/store.hpp"

namespace vibed::control {
namespace {

using kube::EventType;
using kube::key_of;
using kube::version_number;
using kube::version_of;

// Whether `a` is an earlier version than `b`. Versions that are no numbers are taken as they come.
bool is_before(const std::string& a, const std::string& b) {
  const auto first = version_number(a);
  const auto second = version_number(b);
  return first && second && *first < *second;
}

Object identity_of(const Json& object) {
  Json metadata;
  for (const char* field : {"name", "namespace", "uid", "resourceVersion", "labels"}) {
    const Json& value = kube::find(object, {"metadata", field});
    if (!value.is_null()) metadata[field] = value;
  }
  Json identity;
  identity["metadata"] = std::move(metadata);
  return std::make_shared<const Json>(std::move(identity));
}

}  // namespace

Store::Store(std::map<std::string, IndexOf> indexes, Keep keep)
    : index_of_(std::move(indexes)), keep_(keep) {}

void Store::index(const ObjectKey& key, const Json& object, bool add) {
  for (const auto& [name, values_of] : index_of_) {
    Index& index = indexes_[name];
    for (const std::string& value : values_of(object)) {
      if (add) {
        index[value].insert(key);
      } else if (auto at = index.find(value); at != index.end()) {
        at->second.erase(key);
        if (at->second.empty()) index.erase(at);
      }
    }
  }
}

void Store::put(const ObjectKey& key, Object object) {
  Object& held = objects_[key];
  if (held != nullptr) index(key, *held, false);
  held = keep_ == Keep::whole ? std::move(object) : identity_of(*object);
  index(key, *held, true);
}

void Store::erase(const ObjectKey& key) {
  const auto at = objects_.find(key);
  if (at == objects_.end()) return;
  index(key, *at->second, false);
  objects_.erase(at);
}

Store::Outcome Store::apply(const kube::WatchEvent& event) {
  const std::string version = version_of(event.object);
  const bool is_late = is_before(version, version_);
  if (event.type == EventType::bookmark) {
    if (!is_late) version_ = version;
    return {};
  }
  const ObjectKey key = key_of(event.object);
  const Object known = find(key);
  if (known != nullptr) {
    const std::string held = version_of(*known);
    // The deletion of the state that is known may have that state's version, on old servers.
    const bool is_same = version == held && event.type != EventType::deleted;
    if (is_same || is_before(version, held)) return {};
  }
  if (is_late) return {.torn = true};
  version_ = version;
  if (event.type == EventType::deleted) {
    if (known == nullptr) return {};
    erase(key);
    return {Change{Change::Kind::removed, known, nullptr}};
  }
  auto object = std::make_shared<const Json>(event.object);
  put(key, object);
  const auto kind = known == nullptr ? Change::Kind::added : Change::Kind::updated;
  return {Change{kind, known, std::move(object)}};
}

std::vector<Change> Store::replace(std::vector<Json> items, const std::string& version) {
  version_ = version;
  std::map<ObjectKey, Object> listed;
  for (Json& item : items) {
    ObjectKey key = key_of(item);
    listed.insert_or_assign(std::move(key), std::make_shared<const Json>(std::move(item)));
  }
  std::vector<Change> changes;
  for (const auto& [key, object] : std::map(objects_)) {
    const auto at = listed.find(key);
    // Another object of the same name: the one that was known is gone.
    const bool is_gone = at == listed.end() || kube::uid_of(*at->second) != kube::uid_of(*object);
    if (!is_gone) continue;
    erase(key);
    changes.push_back({Change::Kind::removed, object, nullptr, true});
  }
  for (const auto& [key, object] : listed) {
    const Object known = find(key);
    if (known != nullptr && version_of(*known) == version_of(*object)) continue;
    put(key, object);
    const auto kind = known == nullptr ? Change::Kind::added : Change::Kind::updated;
    changes.push_back({kind, known, object});
  }
  return changes;
}

Object Store::find(const ObjectKey& key) const {
  const auto at = objects_.find(key);
  return at == objects_.end() ? nullptr : at->second;
}

std::vector<Object> Store::all() const {
  std::vector<Object> all;
  all.reserve(objects_.size());
  for (const auto& [key, object] : objects_) all.push_back(object);
  return all;
}

std::vector<Object> Store::find_by(const std::string& name, const std::string& value) const {
  std::vector<Object> found;
  const auto index = indexes_.find(name);
  if (index == indexes_.end()) return found;
  const auto keys = index->second.find(value);
  if (keys == index->second.end()) return found;
  for (const ObjectKey& key : keys->second) found.push_back(find(key));
  return found;
}

}  // namespace vibed::control
