#include "classifier/package_json.hpp"

#include <nlohmann/json.hpp>

namespace vibed {
namespace {

void add_texts(const nlohmann::json& object, const char* key,
               std::map<std::string, std::string>& into) {
  auto at = object.find(key);
  if (at == object.end() || !at->is_object()) return;
  for (const auto& [name, value] : at->items()) {
    if (value.is_string()) into.emplace(name, value.get<std::string>());
  }
}

}  // namespace

std::string PackageJson::script(const std::string& key) const {
  auto at = scripts.find(key);
  return at == scripts.end() ? std::string() : at->second;
}

PackageJson parse_package_json(std::string_view text) {
  PackageJson package;
  auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return package;
  auto name = json.find("name");
  if (name != json.end() && name->is_string()) package.name = name->get<std::string>();
  add_texts(json, "scripts", package.scripts);
  add_texts(json, "dependencies", package.dependencies);
  add_texts(json, "optionalDependencies", package.dependencies);
  add_texts(json, "peerDependencies", package.dependencies);
  add_texts(json, "devDependencies", package.dev_dependencies);
  return package;
}

}  // namespace vibed
