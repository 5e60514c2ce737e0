// YAML → JSON, for whoever reads a YAML file: yaml-cpp stays in this folder.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed {

// What one YAML text may cost: aliases make a small text large.
inline constexpr std::size_t kMaxYamlBytes = 1024 * 1024;
inline constexpr std::size_t kMaxYamlNodes = 20'000;
inline constexpr int kMaxYamlDepth = 64;

// The first document of `text` as JSON, scalars typed as YAML 1.2's core schema has them; an empty
// text is null. `invalid_argument` (bad_config) names the line: not YAML, a key twice in one
// mapping, a key that is not a scalar, past a limit.
Result<nlohmann::json> yaml_to_json(std::string_view text);

}  // namespace vibed
