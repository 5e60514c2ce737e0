// explain_failure() finds in an app's last log lines the one cause a person can act on: a missing
// dependency.
#pragma once

#include <optional>
#include <span>
#include <string>

namespace vibed {

// What is missing, named, and what to do about it, when the log of a Node, Python, Go, Ruby or
// shell program says that a module or program is not there; nothing otherwise. One line without a
// full stop, for a condition's message.
std::optional<std::string> explain_failure(std::span<const std::string> log);

}  // namespace vibed
