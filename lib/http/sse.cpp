#include "http/sse.hpp"

namespace vibed::http {
namespace {

// The first line of `text`, which goes on behind it; `more` says whether there is another.
std::string_view take_line(std::string_view& text, bool& more) {
  std::size_t end = text.find_first_of("\r\n");
  std::string_view line = text.substr(0, end);
  more = end != text.npos;
  if (!more) return line;
  bool pair = text[end] == '\r' && end + 1 < text.size() && text[end + 1] == '\n';
  text.remove_prefix(end + (pair ? 2 : 1));
  return line;
}

std::string lines(std::string_view prefix, std::string_view text) {
  std::string written;
  for (bool more = true; more;) {
    std::string_view line = take_line(text, more);
    written.append(prefix).append(line).append("\n");
  }
  return written;
}

}  // namespace

std::string sse_event(std::string_view data, std::string_view event) {
  std::string text;
  if (!event.empty()) text.append("event: ").append(event).append("\n");
  return text + lines("data: ", data) + "\n";
}

std::string sse_comment(std::string_view text) { return lines(": ", text) + "\n"; }

}  // namespace vibed::http
