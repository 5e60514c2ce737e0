// The sources that another process serves, as one reads them that only uses them.
#pragma once

#include <memory>
#include <string>

#include "vibed/result.hpp"
#include "vibed/source_store.hpp"

namespace vibed {

// `base_url` is where /internal/sources/<key>.tar.gz is served: the API's address. Sources are
// fetched when they are opened, at most 50 MiB each. A key may also be the URL of an old record, if
// it is one of that place; others are never fetched. put(), remove() and list() are
// `permission_denied`: sources belong to who serves them. `invalid_argument` if it is no URL.
Result<std::unique_ptr<SourceStore>> make_remote_source_store(const std::string& base_url);

}  // namespace vibed
