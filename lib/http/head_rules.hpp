// What a request head must be before any of it is believed: the shapes by which requests are
// smuggled past a proxy are refused here, on the raw bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed::http {

// How long the body is and what the connection does afterwards.
struct Framing {
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expect_continue = false;
};

// Checks a whole head, from the request line to the empty line, both included. Fails with
// bad_request for: a line end other than CRLF, control characters, folded lines, space before a
// colon, a method or version that is none, Content-Length with Transfer-Encoding, more than one of
// either, a length that is not decimal digits, a coding other than chunked, no Host or two (in
// HTTP/1.1), a Host that is no host, an Expect that is not 100-continue.
Result<Framing> check_head(std::string_view head);

Error bad_request(const char* what);

// `text` without the blanks and tabs around it.
std::string_view trim(std::string_view text);

}  // namespace vibed::http
