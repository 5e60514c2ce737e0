#include "archive/path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/error_codes.hpp"

namespace vibed::archive {
namespace {

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7f; }

// The length of the UTF-8 sequence that `text` begins with, or 0. No surrogates, nothing overlong.
std::size_t utf8_length(std::string_view text) {
  auto at = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  auto follows = [&](std::size_t i) { return (at(i) & 0xc0U) == 0x80U; };
  unsigned first = at(0);
  unsigned second = at(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// Such names end up in JSON, logs and terminals, where neither belongs.
const char* fault_of_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    if (is_control(static_cast<unsigned char>(text[i]))) return "has a control character";
    std::size_t length = utf8_length(text.substr(i));
    if (length == 0) return "is not UTF-8";
    i += length;
  }
  return nullptr;
}

Error too_long(std::string_view path, std::string_view what, std::size_t limit) {
  return make_error("archive_too_large",
                    fmt::format("entry {} has {} of more than {} bytes", shown(path), what, limit));
}

}  // namespace

Error unsafe(std::string_view path, std::string_view why) {
  return make_error("unsafe_archive", fmt::format("entry {} {}", shown(path), why));
}

Result<std::string> clean_path(std::string_view raw, std::size_t limit) {
  if (raw.size() > limit) return too_long(raw, "a path", limit);
  if (raw.starts_with('/')) return unsafe(raw, "is an absolute path");
  std::string clean;
  clean.reserve(raw.size());
  for (std::string_view rest = raw; !rest.empty();) {
    std::size_t slash = std::min(rest.find('/'), rest.size());
    std::string_view part = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") return unsafe(raw, "has a \"..\" in its path");
    if (part.size() > kNameMax) return too_long(raw, "a name", kNameMax);
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  if (is_cruft(clean)) return clean;
  if (const char* fault = fault_of_text(clean)) {
    return unsafe(raw, std::string("has a name that ") + fault);
  }
  return clean;
}

Status check_link_text(std::string_view path, std::string_view target, std::size_t limit) {
  if (target.size() > limit) return too_long(path, "a link target", limit);
  if (target.empty()) return unsafe(path, "is a link to nothing");
  if (target.starts_with('/')) return unsafe(path, "is a link to an absolute path");
  if (const char* fault = fault_of_text(target)) {
    return unsafe(path, std::string("is a link to a name that ") + fault);
  }
  return success();
}

bool is_cruft(std::string_view path) {
  while (!path.empty()) {
    std::size_t slash = std::min(path.find('/'), path.size());
    std::string_view part = path.substr(0, slash);
    if (part.starts_with("._") || part == ".DS_Store" || part == "__MACOSX" || part == "Icon\r") {
      return true;
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

std::string shown(std::string_view text) {
  constexpr std::size_t kShown = 200;
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    if (i >= kShown) return out + "…\"";
    std::size_t length = utf8_length(text.substr(i));
    auto byte = static_cast<std::uint8_t>(text[i]);
    if (length == 0 || is_control(byte)) {
      out += fmt::format("\\x{:02x}", byte);
      ++i;
    } else {
      out += text.substr(i, length);
      i += length;
    }
  }
  return out + "\"";
}

std::string_view parent_of(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

}  // namespace vibed::archive
