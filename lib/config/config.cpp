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
    if (path == kDisabledKey) return read_words(value, path, "names", config.pool.disabled);
    if (path == kProxiesKey) {
      return read_words(value, path, "networks", config.auth.trusted_proxies);
    }
    if (path == kApiKeysKey) return read_api_keys(value);
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

  static Status read_words(const YAML::Node& value, const std::string& path, const char* what,
                           std::vector<std::string>& place) {
    if (value.IsNull()) return success();
    std::string message = path + " must be a list of " + what;
    if (!value.IsSequence()) return error_at(value.Mark(), message);
    for (const auto& each : value) {
      if (!each.IsScalar()) return error_at(each.Mark(), message);
      place.push_back(each.Scalar());
    }
    return success();
  }

  Status read_api_keys(const YAML::Node& value) {
    if (value.IsNull()) return success();
    std::string path(kApiKeysKey);
    if (!value.IsSequence()) return error_at(value.Mark(), path + " must be a list of keys");
    for (const auto& each : value) {
      if (!each.IsMap()) return error_at(each.Mark(), path + " must be a list of mappings");
      Config::ApiKey key;
      for (const auto& pair : each) {
        if (Status read = read_api_key_field(pair, path, key); !read) return read;
      }
      config.auth.api_keys.push_back(std::move(key));
    }
    return success();
  }

  // Scopes, departments and storage are the Go system's; it does not look at scopes either.
  Status read_api_key_field(const YAML::detail::iterator_value& pair, const std::string& path,
                            Config::ApiKey& key) {
    const std::string& name = pair.first.Scalar();
    if (name == "scopes" || name == "department" || name == "storage") {
      if (ignored_ != nullptr) ignored_->push_back(path + "." + name);
      return success();
    }
    std::string* place = name == "key"    ? &key.key
                         : name == "name" ? &key.name
                         : name == "role" ? &key.role
                                          : nullptr;
    if (place == nullptr) {
      return error_at(pair.first.Mark(),
                      "unknown key " + path + "." + name + "; a key has key, name and role");
    }
    if (!pair.second.IsScalar()) {
      return error_at(pair.second.Mark(), path + "." + name + " must be a single value");
    }
    *place = pair.second.Scalar();
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

// The secret that "env:NAME" or "file:/path" names; any other text is the secret itself.
Result<std::string> look_up_secret(const std::string& text,
                                   const std::map<std::string, std::string>& environment) {
  if (text.starts_with("env:")) {
    auto at = environment.find(text.substr(4));
    if (at == environment.end() || at->second.empty()) {
      return make_error("bad_config", "the variable " + text.substr(4) + " is not set");
    }
    return at->second;
  }
  if (!text.starts_with("file:")) return text;
  auto read = read_file(text.substr(5), 64 * 1024);
  if (!read) return make_error("bad_config", read.error().message);
  std::size_t end = read->find_last_not_of(" \t\r\n");
  read->erase(end == read->npos ? 0 : end + 1);
  read->erase(0, std::min(read->size(), read->find_first_not_of(" \t\r\n")));
  return read;
}

// Also the one key that the environment may add, which turns auth on.
Status look_up_keys(Config& config, const std::map<std::string, std::string>& environment) {
  auto added = environment.find("VIBED_AUTH_API_KEY");
  if (added != environment.end() && !added->second.empty()) {
    config.auth.api_keys.push_back({.key = added->second, .name = "env-key"});
    config.auth.enabled = true;
  }
  for (Config::ApiKey& key : config.auth.api_keys) {
    auto secret = look_up_secret(key.key, environment);
    if (!secret) return std::move(secret).error().during("auth.apiKeys, key \"" + key.name + "\"");
    key.key = *std::move(secret);
  }
  return success();
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
  if (Status known = look_up_keys(config, environment); !known) return std::move(known).error();
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
