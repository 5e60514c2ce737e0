// The keys of vibed.yaml: how each one becomes a part of Config, and those that are only accepted.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/config.hpp"

namespace vibed {

// Puts the text of a scalar into its place. Fails with what is wrong with it, worded to follow the
// key: "must be text or json".
using Setter = std::function<Status(Config& config, const std::string& text)>;

struct Key {
  std::string_view path;         // "server.httpAddr"
  std::string_view environment;  // the variable that overrides it, or ""
  Setter set;
};

std::span<const Key> config_keys();

// A mapping with names of the user's own, and lists.
inline constexpr std::string_view kSizesKey = "pool.sizes";
inline constexpr std::string_view kDisabledKey = "pool.disabled";
inline constexpr std::string_view kApiKeysKey = "auth.apiKeys";
inline constexpr std::string_view kProxiesKey = "auth.trustedProxies";

// Whether `path` is a key of the Go system that has no meaning here. Lists and free mappings are
// accepted whole: everything below "auth.apiKeys" is.
bool is_foreign_key(std::string_view path);

// Whether a known key begins with `path` and a dot.
bool is_section(std::string_view path);

// All keys there are, and their sections, for a suggestion.
std::span<const std::string_view> all_keys();

// Checks a number of warm sandboxes.
Result<int> parse_pool_size(const std::string& text);

}  // namespace vibed
