// The parts of a VibedApp's JSON, for who has it as a value or writes only some of it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "vibed/app.hpp"

namespace vibed {

inline constexpr const char* kVersionsAnnotation = "vibed.dev/versions";

Result<App> app_of(const nlohmann::json& object);

nlohmann::json spec_json(const AppSpec& spec);
nlohmann::json status_json(const AppStatus& status);

// The value of the annotation: a JSON list as a text.
std::string versions_text(const std::vector<AppVersion>& versions);

}  // namespace vibed
