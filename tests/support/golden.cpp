#include "support/golden.hpp"

#include <algorithm>
#include <fstream>

namespace vibed::testing {

namespace fs = std::filesystem;

std::vector<fs::path> golden_folders(const std::string& what) {
  const fs::path golden = fs::path(VIBED_SOURCE_DIR) / "tests/golden" / what;
  std::vector<fs::path> folders;
  for (const auto& folder : fs::directory_iterator(golden)) folders.push_back(folder.path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

nlohmann::json read_json(const fs::path& file) {
  std::ifstream stream(file);
  return nlohmann::json::parse(stream);
}

ArchiveEntry entry_of(const nlohmann::json& file) {
  ArchiveEntry entry;
  entry.path = file.is_string() ? file.get<std::string>() : file.at("path").get<std::string>();
  if (file.is_object()) entry.executable = file.value("executable", false);
  if (entry.path.ends_with('/')) {
    entry.path.pop_back();
    entry.type = EntryType::directory;
  }
  return entry;
}

}  // namespace vibed::testing
