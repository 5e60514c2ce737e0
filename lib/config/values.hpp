// Texts of vibed.yaml as values: sizes, durations, addresses, ranges.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace vibed {

// "512Mi", "1Gi", "64k", "1.5G", "1000" as bytes, as Kubernetes writes quantities; nothing if it is
// none, is negative or does not fit.
std::optional<std::int64_t> parse_size(std::string_view text);

// "10%" of `whole`; nothing if it is no percentage from 1 to 100.
std::optional<std::int64_t> parse_percentage(std::string_view text, std::int64_t whole);

// "600000-665535": two numbers, the first not above the second.
std::optional<std::pair<std::int64_t, std::int64_t>> parse_range(std::string_view text);

// "host:port" or ":port", port 0 to 65535.
bool is_address(std::string_view text);

// A host name as it is written in URLs: labels of a-z, 0-9 and '-'.
bool is_domain(std::string_view text);

// The machine's memory in bytes.
std::int64_t machine_memory();

}  // namespace vibed
