// The one table of stable error words: what `code` is on the wire, its class and its HTTP status.
#pragma once

#include <span>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed {

struct ErrorCode {
  std::string_view word;  // Error::reason, "payload_too_large"
  Errc errc;
  int http_status;
  std::string_view sentence;  // what it means and what to do, for docs
};

std::span<const ErrorCode> error_codes();

// The HTTP status of an error: that of its reason, else that of its class.
int http_status(const Error& error);

// The wire word of an error: its reason, else the name of its class ("not_found").
std::string_view wire_code(const Error& error);

std::string_view to_string(Errc code);  // "not_found"

// An error by its word of the table; the class comes with it.
// REQUIRES: the table has `word`
Error make_error(std::string_view word, std::string message);

}  // namespace vibed
