// What each write does to a record: the same for every AppStore, without lock or clock.
#pragma once

#include <string>

#include "vibed/app.hpp"
#include "vibed/result.hpp"

namespace vibed {

// `app` as it is after a round trip through JSON: whole seconds, clean UTF-8. Stores keep records
// in this form only; a status that differed from its stored self would be written for ever.
Result<App> as_stored(const App& app);

Error no_such_app(const std::string& name);

// The first record of an app of which name, labels, versions and spec are given.
Result<App> created_record(const App& wanted, const std::string& space, Time now);

// `record` with spec, labels and versions of `wanted`, and a new generation if the spec differs.
// `conflict` unless `wanted` was made from this very record.
Result<App> with_spec(const App& record, const App& wanted);

Result<App> with_status(const App& record, const AppStatus& status);

}  // namespace vibed
