// What every Kubernetes object has, read from its JSON.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed::kube {

using Json = nlohmann::json;

// Which object of a kind: its namespace ("" of a cluster-scoped one) and name.
struct ObjectKey {
  std::string space;
  std::string name;

  std::string text() const { return space.empty() ? name : space + "/" + name; }
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

// "space/name" or "name" as a key.
ObjectKey parse_key(std::string_view text);

ObjectKey key_of(const Json& object);

// The value at a path of field names, null where one is missing: find(pod, {"status", "podIPs"}).
const Json& find(const Json& object, std::initializer_list<std::string_view> path);

// The same as a text; "" where there is none.
std::string text_at(const Json& object, std::initializer_list<std::string_view> path);

std::string uid_of(const Json& object);
std::string version_of(const Json& object);  // metadata.resourceVersion

// A resourceVersion as the number it is on every real API server; nothing if it is none. Larger
// means later, within one resource.
std::optional<std::uint64_t> version_number(std::string_view version);

// JSON from the network. `unavailable`: cut off, not JSON, nested deeper than 100 (which would cost
// whoever copies it the stack).
Result<Json> parse_json(std::string_view text);

// As it is sent. Bytes that are not UTF-8 are replaced.
std::string to_text(const Json& value);

}  // namespace vibed::kube
