// FakeStore: the objects of a fake API server, with Kubernetes' rules for versions, generations,
// subresources, finalizers, managers of fields, and a history to watch.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kube/object.hpp"
#include "vibed/app.hpp"

namespace vibed::testing {

using kube::Json;
using kube::ObjectKey;

// What a refused request is answered with: a meta/v1 Status. `{200, …}` is a success.
struct Refusal {
  int code = 200;
  std::string reason;
  std::string message;
  Json details = Json::object();
  Json body() const;
};

struct Written {
  Refusal refusal;  // code 200: none
  Json object;
};

struct Change {
  std::uint64_t version = 0;
  std::string kind_of_object;  // "apps/deployments"
  Json before;                 // null: it was created
  Json after;                  // null: it is gone
};

struct Preconditions {
  std::string uid;
  std::string version;
};

// One thread at a time.
class FakeStore {
 public:
  // `type` is "group/plural".
  Written create(const std::string& type, Json object);
  Written replace(const std::string& type, Json object, const std::string& subresource);
  Written remove(const std::string& type, const ObjectKey& key, const Preconditions& wanted);
  Written apply(const std::string& type, const Json& object, const std::string& manager, bool force,
                const std::string& subresource);

  const Json* find(const std::string& type, const ObjectKey& key) const;
  std::vector<Json> all(const std::string& type) const;  // in the order of their keys

  void set_clock(std::chrono::seconds offset) { clock_offset_ = offset; }
  Time now() const { return std::chrono::system_clock::now() + clock_offset_; }

  std::uint64_t version() const { return version_; }
  const std::vector<Change>& history() const { return history_; }
  // Changes up to this version are no longer known.
  std::uint64_t forgotten() const { return forgotten_; }
  void forget_history();

 private:
  Written missing(const std::string& type, const ObjectKey& key) const;
  // Stores `object`, or lets it go if nothing holds it any more.
  Json store(const std::string& type, const ObjectKey& key, Json object);
  void note(const std::string& type, Json before, Json after);

  std::uint64_t version_ = 100;
  std::uint64_t forgotten_ = 0;
  std::uint64_t names_ = 0;
  std::chrono::seconds clock_offset_{0};
  std::map<std::string, std::map<ObjectKey, Json>> objects_;
  std::vector<Change> history_;
  // Of each object's uid: which manager has applied which leaf, as a JSON pointer.
  std::map<std::string, std::map<std::string, std::string>> managers_;
};

}  // namespace vibed::testing
