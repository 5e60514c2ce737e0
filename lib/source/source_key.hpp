// The names of sources: "<app>.v<N>.<32 lower-case hex digits>".
#pragma once

#include <cstdint>
#include <string>

#include "vibed/result.hpp"

namespace vibed {

// A new, unguessable key, or `invalid_argument` when app or version cannot be part of one.
Result<std::string> make_source_key(const std::string& app, std::int64_t version);

}  // namespace vibed
