#include "app/label_value.hpp"

#include <algorithm>

namespace vibed {
namespace {

constexpr std::size_t kMost = 63;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

std::string label_value(std::string_view text) {
  std::string value;
  for (char c : text) {
    // One '_' for a character of several bytes: those after the first are skipped.
    if ((static_cast<unsigned char>(c) & 0xC0U) == 0x80U) continue;
    const bool plain = is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
    // What cannot begin a value is left out before anything is counted.
    if (value.empty() && !is_alphanumeric(c)) continue;
    value += plain ? c : '_';
    if (value.size() == kMost) break;
  }
  while (!value.empty() && !is_alphanumeric(value.back())) value.pop_back();
  return value;
}

}  // namespace vibed
