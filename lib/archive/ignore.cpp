#include "archive/ignore.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "archive/path.hpp"

namespace vibed::archive {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

// Without the carriage return and the blanks at the end that no backslash keeps.
std::string_view trim_end(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  while (line.ends_with(' ') || line.ends_with('\t')) {
    if (line.size() >= 2 && line[line.size() - 2] == '\\') break;
    line.remove_suffix(1);
  }
  return line;
}

std::optional<IgnorePattern> parse_line(std::string_view line) {
  line = trim_end(line);
  if (line.empty() || line.front() == '#') return std::nullopt;
  IgnorePattern pattern;
  if (line.front() == '!') {
    pattern.negated = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    pattern.folders_only = true;
    line.remove_suffix(1);
  }
  pattern.anchored = line.find('/') != std::string_view::npos;
  pattern.parts = split(line);
  if (pattern.parts.empty()) return std::nullopt;
  return pattern;
}

bool in_class(std::string_view name, unsigned char c) {
  bool lower = c >= 'a' && c <= 'z';
  bool upper = c >= 'A' && c <= 'Z';
  bool digit = c >= '0' && c <= '9';
  if (name == "lower") return lower;
  if (name == "upper") return upper;
  if (name == "digit") return digit;
  if (name == "alpha") return lower || upper;
  if (name == "alnum") return lower || upper || digit;
  if (name == "space") return c == ' ' || (c >= '\t' && c <= '\r');
  if (name == "punct") return c > 0x20 && c < 0x7f && !(lower || upper || digit);
  if (name == "xdigit") return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  return false;
}

// A set "[…]" at the start of `pattern`: whether it takes `c`, and its length; length 0 if it does
// not end.
std::pair<bool, std::size_t> match_set(std::string_view pattern, unsigned char c) {
  std::size_t i = 1;
  bool inverted = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (inverted) ++i;
  bool found = false;
  for (bool first = true; i < pattern.size(); first = false) {
    if (pattern[i] == ']' && !first) return {found != inverted, i + 1};
    if (pattern.substr(i).starts_with("[:")) {
      std::size_t end = pattern.find(":]", i + 2);
      if (end == std::string_view::npos) return {false, 0};
      found |= in_class(pattern.substr(i + 2, end - i - 2), c);
      i = end + 2;
      continue;
    }
    auto one = [&]() -> unsigned char {
      if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
      return static_cast<unsigned char>(pattern[i++]);
    };
    unsigned char low = one();
    unsigned char high = low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      ++i;
      high = one();
    }
    found |= low <= c && c <= high;
  }
  return {false, 0};
}

// How many characters of `pattern` take the one `c`; 0 when they do not.
std::size_t match_one(std::string_view pattern, char c) {
  if (pattern.empty()) return 0;
  switch (pattern.front()) {
    case '?': return 1;
    case '[': {
      auto [taken, length] = match_set(pattern, static_cast<unsigned char>(c));
      return taken ? length : 0;
    }
    case '\\': return pattern.size() > 1 && pattern[1] == c ? 2 : 0;
    default: return pattern.front() == c ? 1 : 0;
  }
}

// Whether a pattern with stars, each of which takes any number of items, takes all `count` items.
// `take(p, n)` is how much of the pattern from `p` on takes item `n`: 0 is nothing. Where in the
// pattern it ended, or nothing. Only the last star is ever gone back to; that is enough.
template <class IsStar, class Take>
std::optional<std::size_t> match_all(std::size_t count, IsStar is_star, Take take) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::optional<std::pair<std::size_t, std::size_t>> star;
  while (n < count) {
    if (is_star(p)) {
      star = {p++, n};
    } else if (std::size_t length = take(p, n)) {
      p += length;
      ++n;
    } else if (star) {
      p = star->first + 1;
      n = ++star->second;
    } else {
      return std::nullopt;
    }
  }
  return p;
}

bool matches_parts(std::span<const std::string> pattern, std::span<const std::string> path) {
  auto is_star = [&](std::size_t p) { return p < pattern.size() && pattern[p] == "**"; };
  auto take = [&](std::size_t p, std::size_t n) -> std::size_t {
    return p < pattern.size() && matches_part(pattern[p], path[n]) ? 1 : 0;
  };
  return match_all(path.size(), is_star, take) == pattern.size();  // "a/**": something is left
}

bool matches(const IgnorePattern& pattern, std::span<const std::string> path, bool is_folder) {
  if (pattern.folders_only && !is_folder) return false;
  if (pattern.anchored) return matches_parts(pattern.parts, path);
  return matches_part(pattern.parts.front(), path.back());
}

}  // namespace

bool matches_part(std::string_view pattern, std::string_view name) {
  auto is_star = [&](std::size_t p) { return p < pattern.size() && pattern[p] == '*'; };
  auto take = [&](std::size_t p, std::size_t n) {
    return match_one(pattern.substr(std::min(p, pattern.size())), name[n]);
  };
  auto end = match_all(name.size(), is_star, take);
  return end && pattern.find_first_not_of('*', *end) == std::string_view::npos;
}

void IgnoreRules::add(const std::string& folder, std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    if (auto pattern = parse_line(text.substr(0, end))) {
      rules_[folder].push_back(*std::move(pattern));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool IgnoreRules::ignores(std::string_view path, bool is_folder) const {
  const std::vector<std::string> parts = split(path);
  std::string_view folder = path;
  for (std::size_t depth = parts.size(); depth-- > 0;) {
    folder = parent_of(folder);
    auto rules = rules_.find(folder);
    if (rules == rules_.end()) continue;
    auto below = std::span(parts).subspan(depth);
    const auto& patterns = rules->second;
    auto last = std::find_if(patterns.rbegin(), patterns.rend(), [&](const IgnorePattern& pattern) {
      return matches(pattern, below, is_folder);
    });
    if (last != patterns.rend()) return !last->negated;
  }
  return false;
}

}  // namespace vibed::archive
