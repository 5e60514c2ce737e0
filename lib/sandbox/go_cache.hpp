// Go's standard library, compiled once for a machine: without it the first build of a hello takes
// half a minute in every sandbox.
#pragma once

#include <stop_token>
#include <string>

#include "vibed/result.hpp"
#include "vibed/template.hpp"

namespace vibed::sandbox {

// The Go runtime of a template, or nullptr.
const Runtime* go_runtime(const Template& from);

// The name of its cache below the cache folder: "go-1.26.8-1f0c…", by version and place.
std::string go_cache_name(const Runtime& go);

// Whether `directory`/<name> is complete.
bool go_cache_ready(const std::string& directory, const Runtime& go);

// Compiles it with what the sandboxes will use. Takes a minute; `cancelled` when `stop` is asked
// for. What an interrupted run left behind is used by the next.
Status build_go_cache(const std::string& directory, const Runtime& go, std::stop_token stop);

}  // namespace vibed::sandbox
