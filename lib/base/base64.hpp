// Base64 (RFC 4648 section 4), as Kubernetes writes bytes into its objects.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vibed {

std::string to_base64(std::string_view bytes);

// The bytes of `text`; line breaks and blanks between the digits are skipped, padding is needed.
// Nothing if it is not base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace vibed
