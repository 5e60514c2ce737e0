// The rules of an app's versions and of when a deploy is settled. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vibed/app.hpp"

namespace vibed {

// The number of the version that comes next: never reused while a later one is kept.
std::int64_t next_version(const App& app);

// Appends `version` and forgets the oldest beyond `kept`. Returns the source keys that nothing of
// the app refers to any more. REQUIRES: app.spec.source is set already
std::vector<std::string> add_version(App& app, AppVersion version, int kept);

// Every source key the app refers to, each once.
std::vector<std::string> source_keys(const App& app);

enum class Outcome { waiting, ready, failed };

// What has become of `generation` of `app`. A newer generation that serves serves it too.
Outcome outcome_of(const App& app, std::int64_t generation);

}  // namespace vibed
