// The log: constant message, key/value pairs, on stderr. Set up by main, quiet in a library by
// default.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace vibed::log {

enum class Level { debug, info, warn, error, off };
enum class Format { text, json };

// Until this is called nothing below `warn` is written. Not while other threads log.
void configure(Level level, Format format);

using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

// Any thread. `message` is constant; what varies goes into `fields`. Never a secret.
void debug(std::string_view message, Fields fields = {});
void info(std::string_view message, Fields fields = {});
void warn(std::string_view message, Fields fields = {});
void error(std::string_view message, Fields fields = {});

}  // namespace vibed::log
