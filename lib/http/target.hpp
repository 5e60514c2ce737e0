// The request target: path, query and, in absolute form, the authority it names.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed::http {

struct Target {
  std::string path;                          // decoded, begins with '/'; "*" of OPTIONS *
  std::map<std::string, std::string> query;  // decoded, last one wins
  std::optional<std::string> authority;      // of absolute form: wins over the Host field
};

// Reads a target in origin form, absolute form (http, https) or, for OPTIONS, "*". Fails with
// bad_request: anything else, a bad percent escape, an encoded NUL.
Result<Target> parse_target(std::string_view method, std::string_view target);

// "a%20b+c" → "a b+c", or with `plus_is_space` "a b c"; nothing for a bad escape or %00.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace vibed::http
