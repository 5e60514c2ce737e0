// How a response's head is written down.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace vibed::http {

struct WireOptions {
  bool keep_alive = true;
  bool chunked = false;
  std::optional<std::uint64_t> content_length;  // nothing: none is written
};

// The status line and all fields up to the empty line; those of `extra` where the response has
// none of that name, and the time unless the response has one. Framing fields of `response` are
// ignored, CR and LF in values are dropped: a handler cannot split the response.
std::string response_head(const Response& response, const Fields& extra,
                          const WireOptions& options);

std::string_view status_text(int status);

// "Fri, 24 May 2013 00:00:00 GMT"
std::string http_date(std::time_t time);

// Whether a response of that status has a body at all.
bool has_body(int status);

}  // namespace vibed::http
