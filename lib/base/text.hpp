// What is done to text that people read.
#pragma once

#include <cstddef>
#include <string_view>

namespace vibed {

// At most `most` bytes from the front of `text`, no UTF-8 character in two.
std::string_view cut(std::string_view text, std::size_t most);

}  // namespace vibed
