// What config's own files share of yaml-cpp.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string_view>

#include "vibed/result.hpp"

namespace vibed {

// An error (bad_config) that begins with the line of `mark`.
Error error_at(const YAML::Mark& mark, const std::string& message);

// Parses `text` and checks the limits and rules of yaml_to_json. Never throws.
Result<YAML::Node> parse_yaml(std::string_view text);

}  // namespace vibed
