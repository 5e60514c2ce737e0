// Server-sent events: how one is written down.
#pragma once

#include <string>
#include <string_view>

namespace vibed::http {

// "event: <event>" (if not empty), one "data: " line for each line of `data`, and the empty line
// that ends it. CR LF, CR and LF all end a line.
std::string sse_event(std::string_view data, std::string_view event = "");

// A comment: what keeps a silent stream open.
std::string sse_comment(std::string_view text);

}  // namespace vibed::http
