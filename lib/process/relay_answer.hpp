// The 503 a relay gives for an app that does not listen. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vibed {

constexpr std::size_t kMaxRelayHead = 64 * 1024;

// Whether `received` holds a whole request head, or so much that no more of it is read.
bool head_is_complete(std::string_view received);

struct Unavailable {
  std::string reason;   // "restarting"
  std::string message;  // for a person
  int retry_after = 1;  // seconds
};

// The whole response to the request with that head: JSON if it accepts JSON before anything else
// that is offered, else plain text; without a body for HEAD.
std::string unavailable_response(std::string_view head, const Unavailable& what);

}  // namespace vibed
