#include "vibed/config.hpp"

#include <algorithm>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "config/keys.hpp"
#include "config/nearest.hpp"
#include "config/yaml_node.hpp"

namespace vibed {
namespace {

class Reader {
 public:
  explicit Reader(std::vector<std::string>* ignored) : ignored_(ignored) {}

  // Reads the mapping `node`, whose own path is `path` ("" for the document).
  Status read_section(const YAML::Node& node, const std::string& path) {
    for (const auto& pair : node) {
      std::string key = path.empty() ? pair.first.Scalar() : path + "." + pair.first.Scalar();
      if (auto ok = read_key(pair.first.Mark(), key, pair.second); !ok) return ok;
    }
    return success();
  }

  Config config;

 private:
  Status read_key(const YAML::Mark& mark, const std::string& path, const YAML::Node& value) {
    if (is_foreign_key(path)) {
      if (ignored_ != nullptr) ignored_->push_back(path);
      return success();
    }
    if (path == kSizesKey) return read_sizes(value);
    if (path == kDisabledKey) return read_disabled(value);
    for (const auto& key : config_keys()) {
      if (key.path == path) return read_scalar(key, value);
    }
    if (!is_section(path)) return unknown(mark, path);
    if (value.IsNull()) return success();
    if (!value.IsMap()) return error_at(value.Mark(), path + " must be a mapping");
    return read_section(value, path);
  }

  Status read_scalar(const Key& key, const YAML::Node& value) {
    std::string path(key.path);
    if (value.IsNull()) return success();  // "key:" alone leaves the default
    if (!value.IsScalar()) return error_at(value.Mark(), path + " must be a single value");
    auto ok = key.set(config, value.Scalar());
    return ok ? success() : Status(error_at(value.Mark(), path + " " + ok.error().message));
  }

  Status read_sizes(const YAML::Node& value) {
    if (value.IsNull()) return success();
    if (!value.IsMap()) return error_at(value.Mark(), "pool.sizes must map templates to numbers");
    for (const auto& pair : value) {
      std::string path = std::string(kSizesKey) + "." + pair.first.Scalar();
      if (!pair.second.IsScalar()) return error_at(pair.second.Mark(), path + " must be a number");
      auto size = parse_pool_size(pair.second.Scalar());
      if (!size) return error_at(pair.second.Mark(), path + " " + size.error().message);
      config.pool.sizes[pair.first.Scalar()] = *size;
    }
    return success();
  }

  Status read_disabled(const YAML::Node& value) {
    if (value.IsNull()) return success();
    if (!value.IsSequence()) {
      return error_at(value.Mark(), "pool.disabled must be a list of templates");
    }
    for (const auto& each : value) {
      if (!each.IsScalar()) return error_at(each.Mark(), "pool.disabled must be a list of names");
      config.pool.disabled.push_back(each.Scalar());
    }
    return success();
  }

  static Error unknown(const YAML::Mark& mark, const std::string& path) {
    std::string message = "unknown key " + path;
    std::string_view nearest = nearest_word(path, all_keys());
    if (!nearest.empty()) message += "; did you mean " + std::string(nearest) + "?";
    return error_at(mark, message);
  }

  std::vector<std::string>* ignored_;
};

Result<Config> read(std::string_view yaml, std::vector<std::string>* ignored) {
  auto root = parse_yaml(yaml);
  if (!root) return std::move(root).error();
  Reader reader(ignored);
  if (root->IsNull()) return reader.config;
  if (!root->IsMap()) return error_at(root->Mark(), "must be a mapping of keys to values");
  if (auto ok = reader.read_section(*root, ""); !ok) return std::move(ok).error();
  return reader.config;
}

}  // namespace

Result<Config> parse_config(std::string_view yaml, std::vector<std::string>* ignored) {
  // yaml-cpp throws where a node is not what it was asked for; none of it may leave this folder.
  try {
    return read(yaml, ignored);
  } catch (const std::exception& error) {
    return make_error("bad_config", std::string("not YAML: ") + error.what());
  }
}

Result<Config> load_config(const std::string& path,
                           const std::map<std::string, std::string>& environment) {
  Config config;
  if (!path.empty()) {
    auto text = read_file(path, 1024 * 1024);
    if (!text) return std::move(text).error().during("read the configuration");
    auto parsed = parse_config(*text);
    if (!parsed) return std::move(parsed).error().during(path);
    config = *std::move(parsed);
  }
  for (const auto& key : config_keys()) {
    auto variable = environment.find(std::string(key.environment));
    if (key.environment.empty() || variable == environment.end() || variable->second.empty()) {
      continue;
    }
    auto ok = key.set(config, variable->second);
    if (!ok) {
      return make_error("bad_config", std::string(key.environment) + " " + ok.error().message);
    }
  }
  return config;
}

}  // namespace vibed
