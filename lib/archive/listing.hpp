// What every way to a Listing has in common.
#pragma once

#include <cstddef>

namespace vibed::archive {

constexpr std::size_t kPackageJsonBytes = 256 * 1024;

}  // namespace vibed::archive
