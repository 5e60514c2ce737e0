#include "sandbox/line_stream.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace vibed::sandbox {
namespace {

// A line carries at most the last 20 lines of an app's log.
constexpr std::size_t kMaxLine = 4U * 1024 * 1024;
constexpr std::size_t kMaxHead = 64U * 1024;

}  // namespace

Result<std::vector<std::string>> LineStream::feed(std::string_view bytes) {
  pending_.append(bytes);
  while (wrong_.empty() && step()) {
  }
  if (line_.size() > kMaxLine) wrong_ = "a line is too long";
  if (!wrong_.empty()) return Error{Errc::unavailable, "the agent's events: " + wrong_};
  return std::exchange(lines_, {});
}

bool LineStream::read_head() {
  std::size_t end = pending_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (pending_.size() > kMaxHead) wrong_ = "the head is too long";
    return false;
  }
  std::string head = pending_.substr(0, end);
  pending_.erase(0, end + 4);
  if (!head.starts_with("HTTP/1.1 200")) {
    wrong_ = "it answered " + head.substr(0, head.find('\r'));
    return false;
  }
  std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  bool chunked = head.find("\r\ntransfer-encoding: chunked") != std::string::npos;
  state_ = chunked ? State::chunk_size : State::body;
  return true;
}

// Understands one more piece of what is pending; false: it needs more bytes.
bool LineStream::step() {
  switch (state_) {
    case State::head: return read_head();
    case State::body: {
      bool any = !pending_.empty();
      add_body(std::exchange(pending_, {}));
      return any;
    }
    case State::chunk_size: {
      std::size_t end = pending_.find("\r\n");
      if (end == std::string::npos) return false;
      auto parsed = std::from_chars(pending_.data(), pending_.data() + end, chunk_left_, 16);
      if (parsed.ec != std::errc() || chunk_left_ > kMaxLine) wrong_ = "a chunk's size is wrong";
      pending_.erase(0, end + 2);
      state_ = chunk_left_ == 0 ? State::done : State::chunk_data;
      return true;
    }
    case State::chunk_data: {
      std::size_t count = std::min(chunk_left_, pending_.size());
      add_body(std::string_view(pending_).substr(0, count));
      pending_.erase(0, count);
      chunk_left_ -= count;
      if (chunk_left_ > 0) return false;
      state_ = State::chunk_end;
      return true;
    }
    case State::chunk_end:
      if (pending_.size() < 2) return false;
      pending_.erase(0, 2);
      state_ = State::chunk_size;
      return true;
    case State::done: return false;
  }
  return false;
}

void LineStream::add_body(std::string_view bytes) {
  for (std::size_t end; (end = bytes.find('\n')) != std::string_view::npos;) {
    line_.append(bytes.substr(0, end));
    bytes.remove_prefix(end + 1);
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    if (!line_.empty()) lines_.push_back(std::exchange(line_, {}));
  }
  line_.append(bytes);
}

}  // namespace vibed::sandbox
