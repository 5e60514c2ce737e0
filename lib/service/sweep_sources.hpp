// sweep_sources() removes what crashes between storing a source and writing its record left.
#pragma once

#include <chrono>
#include <cstddef>

#include "vibed/app_store.hpp"
#include "vibed/result.hpp"
#include "vibed/source_store.hpp"

namespace vibed {

// Removes the sources that no record of `apps` names and that were stored before `older_than` (a
// deploy under way has stored its source and not yet written its record). Returns how many. Removes
// nothing when it cannot read every record. `sources` must not be shared with another AppStore.
Result<std::size_t> sweep_sources(AppStore& apps, SourceStore& sources,
                                  std::chrono::system_clock::time_point older_than);

}  // namespace vibed
