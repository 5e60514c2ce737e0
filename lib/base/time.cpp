#include "base/time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

namespace vibed {
namespace {

using Clock = std::chrono::system_clock;

std::tm utc(Clock::time_point time) {
  std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm fields{};
  gmtime_r(&seconds, &fields);
  return fields;
}

std::string up_to_seconds(Clock::time_point time) {
  std::tm t = utc(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1,
                     t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
}

// Takes `count` digits off the front of `text`.
std::optional<int> digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string to_rfc3339(Clock::time_point time) { return up_to_seconds(time) + "Z"; }

std::string to_rfc3339_nano(Clock::time_point time) {
  auto fraction = time - std::chrono::floor<std::chrono::seconds>(time);
  auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(fraction).count();
  return fmt::format("{}.{:09}Z", up_to_seconds(time), nanos);
}

namespace {

// 64 bits of nanoseconds end a few months before and after.
constexpr std::chrono::year_month_day kFirstDay{std::chrono::year(1678), std::chrono::January,
                                                std::chrono::day(1)};
constexpr std::chrono::year_month_day kLastDay{std::chrono::year(2261), std::chrono::December,
                                               std::chrono::day(31)};

}  // namespace

std::optional<Clock::time_point> parse_rfc3339(std::string_view text) {
  auto year = digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  auto month = digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  auto day = digits(text, 2);
  if (!day || (!take(text, 'T') && !take(text, 't'))) return std::nullopt;
  auto hour = digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  auto minute = digits(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  auto second = digits(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;

  std::chrono::year_month_day date{std::chrono::year(*year),
                                   std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  date = std::clamp(date, kFirstDay, kLastDay);
  Clock::time_point time = std::chrono::sys_days(date) + std::chrono::hours(*hour) +
                           std::chrono::minutes(*minute) + std::chrono::seconds(*second);
  if (take(text, '.')) {
    std::int64_t nanos = 0;
    std::int64_t unit = 1'000'000'000;
    bool any = false;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      unit /= 10;
      nanos += (text.front() - '0') * unit;
      text.remove_prefix(1);
      any = true;
    }
    if (!any) return std::nullopt;
    time += std::chrono::nanoseconds(nanos);
  }
  if (take(text, 'Z') || take(text, 'z')) return text.empty() ? std::optional(time) : std::nullopt;
  bool east = take(text, '+');
  if (!east && !take(text, '-')) return std::nullopt;
  auto offset_hour = digits(text, 2);
  if (!offset_hour || !take(text, ':')) return std::nullopt;
  auto offset_minute = digits(text, 2);
  if (!offset_minute || !text.empty()) return std::nullopt;
  auto offset = std::chrono::minutes(*offset_hour * 60 + *offset_minute);
  return east ? time - offset : time + offset;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    double value = 0;
    double unit = 1;
    bool any = false;
    bool fraction = false;
    for (; !text.empty(); text.remove_prefix(1)) {
      char c = text.front();
      if (c == '.' && !fraction) {
        fraction = true;
        continue;
      }
      if (c < '0' || c > '9') break;
      any = true;
      if (fraction) {
        unit /= 10;
        value += (c - '0') * unit;
      } else {
        value = value * 10 + (c - '0');
      }
    }
    if (!any) return std::nullopt;
    double scale = 0;
    if (text.starts_with("ms")) {
      scale = 1;
      text.remove_prefix(2);
    } else if (take(text, 's')) {
      scale = 1000;
    } else if (take(text, 'm')) {
      scale = 60'000;
    } else if (take(text, 'h')) {
      scale = 3'600'000;
    } else {
      return std::nullopt;
    }
    total += value * scale;
    if (total > 1e15) return std::nullopt;
  }
  return std::chrono::milliseconds(std::llround(total));
}

std::string to_duration_text(std::chrono::seconds duration) {
  auto total = duration.count();
  if (total >= 3600) return fmt::format("{}h{}m{}s", total / 3600, total / 60 % 60, total % 60);
  if (total >= 60) return fmt::format("{}m{}s", total / 60, total % 60);
  return fmt::format("{}s", total);
}

}  // namespace vibed
