#include "vibed/result.hpp"

#include "vibed/version.hpp"

namespace vibed {

Error Error::during(std::string_view action) && {
  message = std::string(action) + ": " + message;
  return std::move(*this);
}

const char* version() { return VIBED_VERSION; }

}  // namespace vibed
