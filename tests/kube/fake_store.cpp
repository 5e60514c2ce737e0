#include "kube/fake_store.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace vibed::testing {
namespace {

std::string plural_of(const std::string& type) { return type.substr(type.find('/') + 1); }

Refusal refuse(int code, const char* reason, std::string message, const std::string& type,
               const std::string& name) {
  return {code, reason, std::move(message), {{"name", name}, {"kind", plural_of(type)}}};
}

// Leaves of `value` as JSON pointers; lists are leaves.
void leaves_of(const Json& value, const std::string& path, std::map<std::string, Json>& leaves) {
  if (!value.is_object() || value.empty()) {
    leaves[path] = value;
    return;
  }
  for (const auto& [name, field] : value.items()) {
    std::string escaped;
    for (char c : name) escaped += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    leaves_of(field, path + "/" + escaped, leaves);
  }
}

bool is_identity(const std::string& path) {
  return path == "/apiVersion" || path == "/kind" || path == "/metadata/name" ||
         path == "/metadata/namespace" || path == "/metadata/resourceVersion" ||
         path == "/metadata/uid";
}

// Whether a new object of that kind comes without its status, as custom resources do.
bool has_status(const std::string& type) { return type.starts_with("vibed.dev/"); }

}  // namespace

Json Refusal::body() const {
  return {
      {"kind", "Status"},   {"apiVersion", "v1"}, {"status", code < 300 ? "Success" : "Failure"},
      {"message", message}, {"reason", reason},   {"details", details},
      {"code", code}};
}

Written FakeStore::missing(const std::string& type, const ObjectKey& key) const {
  return {
      refuse(404, "NotFound", plural_of(type) + " \"" + key.name + "\" not found", type, key.name),
      {}};
}

const Json* FakeStore::find(const std::string& type, const ObjectKey& key) const {
  const auto objects = objects_.find(type);
  if (objects == objects_.end()) return nullptr;
  const auto at = objects->second.find(key);
  return at == objects->second.end() ? nullptr : &at->second;
}

std::vector<Json> FakeStore::all(const std::string& type) const {
  std::vector<Json> all;
  const auto objects = objects_.find(type);
  if (objects == objects_.end()) return all;
  for (const auto& [key, object] : objects->second) all.push_back(object);
  return all;
}

void FakeStore::note(const std::string& type, Json before, Json after) {
  history_.push_back({version_, type, std::move(before), std::move(after)});
}

void FakeStore::forget_history() {
  history_.clear();
  forgotten_ = ++version_;
}

Written FakeStore::create(const std::string& type, Json object) {
  Json& metadata = object["metadata"];
  if (metadata.value("name", "").empty() && metadata.contains("generateName")) {
    metadata["name"] = metadata.value("generateName", "") + std::to_string(++names_);
  }
  const ObjectKey key = kube::key_of(object);
  if (has_status(type)) object.erase("status");  // written apart, by those who may
  if (key.name.empty()) {
    return {refuse(422, "Invalid", "name or generateName is required", type, ""), {}};
  }
  if (find(type, key) != nullptr) {
    return {refuse(409, "AlreadyExists", plural_of(type) + " \"" + key.name + "\" already exists",
                   type, key.name),
            {}};
  }
  metadata["uid"] = random_uuid();
  metadata["generation"] = 1;
  metadata["creationTimestamp"] = to_rfc3339(now());
  metadata["resourceVersion"] = std::to_string(++version_);
  objects_[type][key] = object;
  note(type, nullptr, object);
  return {{}, object};
}

Json FakeStore::store(const std::string& type, const ObjectKey& key, Json object) {
  Json& current = objects_[type][key];
  Json before = current;
  Json& metadata = object["metadata"];
  for (const char* fixed : {"uid", "creationTimestamp", "generation", "deletionTimestamp"}) {
    metadata.erase(fixed);
    if (before["metadata"].contains(fixed)) metadata[fixed] = before["metadata"][fixed];
  }
  metadata["resourceVersion"] = before["metadata"]["resourceVersion"];
  if (object == before) return object;  // no change, no version
  if (kube::find(object, {"spec"}) != kube::find(before, {"spec"})) {
    metadata["generation"] = metadata.value("generation", 1) + 1;
  }
  metadata["resourceVersion"] = std::to_string(++version_);
  const bool held = !kube::find(object, {"metadata", "finalizers"}).empty();
  if (metadata.contains("deletionTimestamp") && !held) {
    objects_[type].erase(key);
    note(type, std::move(before), nullptr);
    history_.back().before["metadata"]["resourceVersion"] = metadata["resourceVersion"];
  } else {
    current = object;
    note(type, std::move(before), object);
  }
  return object;
}

Written FakeStore::replace(const std::string& type, Json object, const std::string& subresource) {
  const ObjectKey key = kube::key_of(object);
  const Json* current = find(type, key);
  if (current == nullptr) return missing(type, key);
  const std::string version = kube::version_of(object);
  const std::string uid = kube::uid_of(object);
  const bool other = (!version.empty() && version != kube::version_of(*current)) ||
                     (!uid.empty() && uid != kube::uid_of(*current));
  if (other) {
    return {refuse(409, "Conflict",
                   "the object has been modified; apply your changes to the latest version", type,
                   key.name),
            {}};
  }
  Json next = *current;
  if (subresource == "status") {
    next["status"] = kube::find(object, {"status"});
  } else {
    next = object;
    next.erase("status");
    if (current->contains("status")) next["status"] = (*current)["status"];
  }
  return {{}, store(type, key, std::move(next))};
}

Written FakeStore::remove(const std::string& type, const ObjectKey& key,
                          const Preconditions& wanted) {
  const Json* current = find(type, key);
  if (current == nullptr) return missing(type, key);
  if ((!wanted.uid.empty() && wanted.uid != kube::uid_of(*current)) ||
      (!wanted.version.empty() && wanted.version != kube::version_of(*current))) {
    return {refuse(409, "Conflict", "Precondition failed", type, key.name), {}};
  }
  Json& object = objects_[type][key];
  if (object["metadata"].contains("deletionTimestamp")) return {{}, object};  // marked already
  Json before = object;
  const std::string version = std::to_string(++version_);
  if (!kube::find(object, {"metadata", "finalizers"}).empty()) {
    object["metadata"]["deletionTimestamp"] = to_rfc3339(now());
    object["metadata"]["resourceVersion"] = version;
    object["metadata"]["generation"] = object["metadata"].value("generation", 1) + 1;
    note(type, std::move(before), object);
    return {{}, object};
  }
  objects_[type].erase(key);
  note(type, std::move(before), nullptr);
  history_.back().before["metadata"]["resourceVersion"] = version;
  return {{}, refuse(200, "", "", type, key.name).body()};
}

Written FakeStore::apply(const std::string& type, const Json& object, const std::string& manager,
                         bool force, const std::string& subresource) {
  const ObjectKey key = kube::key_of(object);
  const Json* current = find(type, key);
  if (current == nullptr) {
    if (!subresource.empty()) return missing(type, key);
    Written made = create(type, object);
    current = find(type, key);
    if (current == nullptr) return made;
  }
  Json next = *current;
  std::map<std::string, Json> wanted;
  leaves_of(object, "", wanted);
  std::erase_if(wanted, [](const auto& leaf) { return is_identity(leaf.first); });
  auto& managers = managers_[kube::uid_of(*current)];
  for (const auto& [path, value] : wanted) {
    const auto owner = managers.find(path);
    const Json::json_pointer at(path);
    const bool differs = !next.contains(at) || next[at] != value;
    if (differs && owner != managers.end() && owner->second != manager && !force) {
      auto refusal = refuse(409, "Conflict", "Apply failed with 1 conflict", type, key.name);
      refusal.details["causes"] =
          Json::array({{{"reason", "FieldManagerConflict"},
                        {"message", "conflict with \"" + owner->second + "\""},
                        {"field", path}}});
      return {refusal, {}};
    }
    next[at] = value;
  }
  const auto in_part = [&](const std::string& path) {
    return path.starts_with("/status") == (subresource == "status");
  };
  // What this manager had applied and no longer mentions goes away.
  for (const auto& [path, owner] : std::map(managers)) {
    if (owner != manager || wanted.contains(path) || !in_part(path)) continue;
    next = next.patch(Json::array({{{"op", "remove"}, {"path", path}}}));
    managers.erase(path);
  }
  for (const auto& [path, value] : wanted) managers[path] = manager;
  return {{}, store(type, key, std::move(next))};
}

}  // namespace vibed::testing
