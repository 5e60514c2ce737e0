// Resource: a kind of object and where the API server has it.
#pragma once

#include <string>
#include <string_view>

namespace vibed::kube {

struct Resource {
  std::string group;  // "" of the core group
  std::string version;
  std::string plural;  // "pods": as in the path
  std::string kind;    // "Pod"
  bool namespaced = true;

  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  friend bool operator==(const Resource&, const Resource&) = default;
};

// "/apis/apps/v1/namespaces/a/deployments/web/scale". Without a name the collection, without a
// namespace that of all namespaces.
std::string path_of(const Resource& resource, std::string_view space, std::string_view name = {},
                    std::string_view subresource = {});

// A query string: "" or "?labelSelector=app%3Dweb&limit=500".
class Query {
 public:
  // Adds nothing if `value` is empty.
  Query& add(std::string_view name, std::string_view value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// The kinds that vibed meets and that every cluster has.
const Resource& config_maps();
const Resource& endpoint_slices();
const Resource& event_records();  // events.k8s.io
const Resource& leases();
const Resource& namespaces();
const Resource& pods();
const Resource& secrets();
const Resource& services();

}  // namespace vibed::kube
