// Times as the wire has them, and the clock the rest of vibed is given.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace vibed {

// "2026-11-22T13:00:00Z": RFC 3339, UTC, whole seconds.
std::string to_rfc3339(std::chrono::system_clock::time_point time);

// The same with nanoseconds: "2026-11-22T13:00:00.123456789Z".
std::string to_rfc3339_nano(std::chrono::system_clock::time_point time);

// Reads RFC 3339 with any offset and any fraction; nothing if it is not one. Days before 1678 or
// after 2261 are taken for the nearest of those: "9999-12-31T23:59:59Z" is a way to say never.
std::optional<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text);

// "90s", "1h30m", "250ms", "1.5h" as Go's time.ParseDuration reads them; nothing if it is not one
// or negative.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// "1h2m3s", as Go prints a duration of whole seconds.
std::string to_duration_text(std::chrono::seconds duration);

}  // namespace vibed
