// HMAC-SHA256 (RFC 2104, FIPS 198-1).
#pragma once

#include <string_view>

#include "base/ids.hpp"

namespace vibed {

Sha256Digest hmac_sha256(std::string_view key, std::string_view message);

}  // namespace vibed
