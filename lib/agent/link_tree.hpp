// link_tree: a writable mirror of a read-only folder that costs no copies.
#pragma once

#include <cstdint>
#include <string>

#include "vibed/result.hpp"

namespace vibed::agent {

// Makes `to` look like `from`: real folders, and for everything else symbolic links to it. What is
// there already is left alone. Returns how many links there are now that were not.
Result<std::uint64_t> link_tree(const std::string& from, const std::string& to);

}  // namespace vibed::agent
