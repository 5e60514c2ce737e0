#include "client/event_stream.hpp"

#include <utility>

namespace vibed {
namespace {

constexpr std::size_t kLinesRemembered = 1000;

}  // namespace

bool EventStream::feed(std::string_view bytes,
                       const std::function<bool(const ServerEvent&)>& on_event) {
  partial_ += bytes;
  std::size_t from = 0;
  bool going = true;
  while (going) {
    const std::size_t end = partial_.find('\n', from);
    if (end == std::string::npos) break;
    std::string_view text(partial_.data() + from, end - from);
    if (text.ends_with('\r')) text.remove_suffix(1);
    from = end + 1;
    going = line(text, on_event);
  }
  partial_.erase(0, from);
  return going;
}

bool EventStream::line(std::string_view text,
                       const std::function<bool(const ServerEvent&)>& on_event) {
  if (text.empty()) {
    const ServerEvent done = std::exchange(event_, {});
    return !std::exchange(has_data_, false) || on_event(done);
  }
  const std::size_t colon = text.find(':');
  const std::string_view field = text.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") event_.type = value;
  if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  }
  return true;
}

std::vector<std::string> LineOverlap::next(const std::string& line) {
  if (!matching_) return accept({line});
  if (held_.empty()) {
    for (std::size_t at = 0; at < seen_.size(); ++at) {
      if (seen_[at] == line) candidates_.push_back(at);
    }
  } else {
    std::erase_if(candidates_, [&](std::size_t at) {
      return at + held_.size() >= seen_.size() || seen_[at + held_.size()] != line;
    });
  }
  held_.push_back(line);
  if (candidates_.empty()) return finish();
  // The earliest candidate is the longest repetition; while it may still hold, wait.
  if (candidates_.front() + held_.size() == seen_.size()) {
    held_.clear();
    matching_ = false;
  }
  return {};
}

void LineOverlap::restart() {
  held_.clear();
  candidates_.clear();
  matching_ = !seen_.empty();
}

std::vector<std::string> LineOverlap::finish() {
  matching_ = false;
  candidates_.clear();
  return accept(std::exchange(held_, {}));
}

std::vector<std::string> LineOverlap::accept(std::vector<std::string> lines) {
  seen_.insert(seen_.end(), lines.begin(), lines.end());
  while (seen_.size() > kLinesRemembered) seen_.pop_front();
  return lines;
}

}  // namespace vibed
