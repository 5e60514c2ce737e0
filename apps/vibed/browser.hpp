// Opening a URL where the person is.
#pragma once

#include <string>

#include "vibed/result.hpp"

namespace vibed::cli {

// Hands the URL to the desktop; `not_found` where there is none.
Status open_in_browser(const std::string& url);

}  // namespace vibed::cli
