// The known word somebody probably meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace vibed {

// The word of `known` with the fewest insertions, deletions, replacements and swaps from `word`,
// whatever its case; "" when none is closer than half its length.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> known);

}  // namespace vibed
