// Golden folders: a case is a folder below tests/golden/<what>, with its input and what is expected
// of it.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vibed/archive.hpp"

namespace vibed::testing {

// The folders of tests/golden/`what`, sorted by name.
std::vector<std::filesystem::path> golden_folders(const std::string& what);

nlohmann::json read_json(const std::filesystem::path& file);

// A file of a source tree: its path, or an object with "path" and "executable". One whose path
// ends with a slash is a folder.
ArchiveEntry entry_of(const nlohmann::json& file);

}  // namespace vibed::testing
