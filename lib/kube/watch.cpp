#include "kube/watch.hpp"

#include <map>

namespace vibed::kube {
namespace {

constexpr std::size_t kLongestLine = 16 * 1024 * 1024;

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

Result<WatchEvent> parse_watch_event(std::string_view line) {
  static const std::map<std::string, EventType> kTypes = {{"ADDED", EventType::added},
                                                          {"MODIFIED", EventType::modified},
                                                          {"DELETED", EventType::deleted},
                                                          {"BOOKMARK", EventType::bookmark},
                                                          {"ERROR", EventType::error}};
  auto event = parse_json(line);
  if (!event) return event.error();
  const auto type = kTypes.find(text_at(*event, {"type"}));
  if (type == kTypes.end()) return Error{Errc::unavailable, "not an event of a watch"};
  if (!find(*event, {"object"}).is_object()) {
    return Error{Errc::unavailable, "an event of a watch without an object"};
  }
  if (type->second != EventType::error && version_of((*event)["object"]).empty()) {
    return Error{Errc::unavailable, "an event of a watch without a resourceVersion"};
  }
  return WatchEvent{type->second, std::move((*event)["object"])};
}

Result<bool> WatchParser::line(std::string_view text, const Sink& sink) {
  if (is_blank(text)) return true;
  auto event = parse_watch_event(text);
  if (!event) return event.error();
  return sink(std::move(*event));
}

Result<bool> WatchParser::feed(std::string_view bytes, const Sink& sink) {
  for (std::size_t end = bytes.find('\n'); end != bytes.npos; end = bytes.find('\n')) {
    Result<bool> more = true;
    if (rest_.empty()) {
      more = line(bytes.substr(0, end), sink);
    } else {
      rest_.append(bytes.substr(0, end));
      more = line(rest_, sink);
      rest_.clear();
    }
    if (!more || !*more) return more;
    bytes.remove_prefix(end + 1);
  }
  if (rest_.size() + bytes.size() > kLongestLine) {
    return Error{Errc::resource_exhausted, "an event of more than 16 MiB"};
  }
  rest_.append(bytes);
  return true;
}

}  // namespace vibed::kube
