// Reading answers of servers that may say anything.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace vibed {

// The text at `key` of an object, or "".
inline std::string text_of(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

}  // namespace vibed
