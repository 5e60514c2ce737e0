#include "config/values.hpp"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace vibed {
namespace {

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return whole ? std::optional(number) : std::nullopt;
}

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array kUnits = {Unit{"Ki", 1024.0},       Unit{"Mi", 1048576.0},
                               Unit{"Gi", 1073741824.0}, Unit{"Ti", 1099511627776.0},
                               Unit{"k", 1e3},           Unit{"K", 1e3},
                               Unit{"M", 1e6},           Unit{"G", 1e9},
                               Unit{"T", 1e12}};

}  // namespace

std::optional<std::int64_t> parse_size(std::string_view text) {
  double factor = 1;
  for (const auto& unit : kUnits) {
    if (!text.ends_with(unit.name)) continue;
    text.remove_suffix(unit.name.size());
    factor = unit.factor;
    break;
  }
  if (factor == 1) {
    auto bytes = parse_number<std::int64_t>(text);
    return bytes && *bytes >= 0 ? bytes : std::nullopt;
  }
  bool plain = text.find_first_not_of("0123456789.") == std::string_view::npos;
  auto number = plain ? parse_number<double>(text) : std::nullopt;
  if (!number || *number * factor > 9e18) return std::nullopt;
  return static_cast<std::int64_t>(*number * factor);
}

std::optional<std::int64_t> parse_percentage(std::string_view text, std::int64_t whole) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  auto percent = parse_number<int>(text);
  if (!percent || *percent < 1 || *percent > 100) return std::nullopt;
  return whole / 100 * *percent;
}

std::optional<std::pair<std::int64_t, std::int64_t>> parse_range(std::string_view text) {
  auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto first = parse_number<std::int64_t>(text.substr(0, dash));
  auto last = parse_number<std::int64_t>(text.substr(dash + 1));
  if (!first || !last || *first < 0 || *first > *last) return std::nullopt;
  return std::pair(*first, *last);
}

bool is_address(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  auto port = parse_number<int>(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return false;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) return host.ends_with(']') && host.size() > 2;
  return host.find_first_of(":/ \t") == std::string_view::npos;
}

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 200) return false;
  std::size_t label = 0;
  char last = '.';
  for (char c : text) {
    if (c == '.') {
      if (label == 0 || last == '-') return false;
      label = 0;
    } else {
      bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && label > 0);
      if (!good || ++label > 63) return false;
    }
    last = c;
  }
  return label > 0 && last != '-';
}

std::int64_t machine_memory() {
  long pages = ::sysconf(_SC_PHYS_PAGES);
  long size = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<std::int64_t>(pages) * size : 0;
}

}  // namespace vibed
