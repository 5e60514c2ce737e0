#include "base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>

#include <nlohmann/json.hpp>

#include "base/time.hpp"

namespace vibed::log {
namespace {

std::atomic<Level> threshold{Level::warn};
std::atomic<Format> chosen_format{Format::text};

std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
    case Level::off: return "off";
  }
  return "";
}

// Quoted only where a space or a control character would make the line ambiguous.
std::string text_value(const std::string& value) {
  bool plain = !value.empty();
  for (char c : value) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=') plain = false;
  }
  if (plain) return value;
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write(Level level, std::string_view message, Fields fields) {
  if (level < threshold.load(std::memory_order_relaxed)) return;
  std::string now = to_rfc3339_nano(std::chrono::system_clock::now());
  std::string line;
  if (chosen_format.load(std::memory_order_relaxed) == Format::json) {
    nlohmann::ordered_json object = {{"time", now}, {"level", name_of(level)}, {"msg", message}};
    for (const auto& [key, value] : fields) object[std::string(key)] = value;
    line = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else {
    line.append(now, 0, 23).append("Z ").append(name_of(level)).append(" ").append(message);
    for (const auto& [key, value] : fields) {
      line.append(" ").append(key).append("=").append(text_value(value));
    }
  }
  line += '\n';
  // One write a line, so that lines of several threads and processes do not mix.
  [[maybe_unused]] ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void configure(Level level, Format format) {
  threshold = level;
  chosen_format = format;
}

void debug(std::string_view message, Fields fields) { write(Level::debug, message, fields); }
void info(std::string_view message, Fields fields) { write(Level::info, message, fields); }
void warn(std::string_view message, Fields fields) { write(Level::warn, message, fields); }
void error(std::string_view message, Fields fields) { write(Level::error, message, fields); }

}  // namespace vibed::log
