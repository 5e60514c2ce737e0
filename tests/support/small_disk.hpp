// A disk that is soon full.
#pragma once

#include <functional>
#include <string>

namespace vibed::testing {

// Runs `body` with a disk of 1 MiB mounted over `folder`, in a thread with a mount namespace of its
// own, so that nobody else sees it. False: it cannot be mounted here, and `body` has not run.
bool with_small_disk(const std::string& folder, const std::function<void()>& body);

}  // namespace vibed::testing
