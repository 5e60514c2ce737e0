// EventStream reads server-sent events; LineOverlap finds where a stream that began anew goes on.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vibed {

struct ServerEvent {
  std::string type = "message";
  std::string data;
  friend bool operator==(const ServerEvent&, const ServerEvent&) = default;
};

// Feed it bytes as they come. Comments (heartbeats) are dropped.
class EventStream {
 public:
  // Calls `on_event` for each event that `bytes` completes; false when on_event said to stop.
  bool feed(std::string_view bytes, const std::function<bool(const ServerEvent&)>& on_event);

 private:
  bool line(std::string_view text, const std::function<bool(const ServerEvent&)>& on_event);

  std::string partial_;
  ServerEvent event_;
  bool has_data_ = false;
};

// After a reconnect a log begins with lines that were seen before. Pass every line through: what
// comes out is each line once.
class LineOverlap {
 public:
  // What is new, in order, now that `line` has come.
  std::vector<std::string> next(const std::string& line);

  // The lines from here on are of a new connection.
  void restart();

  // What is still held back because it may be a repetition; call at the end of a connection.
  std::vector<std::string> finish();

 private:
  std::vector<std::string> accept(std::vector<std::string> lines);

  std::deque<std::string> seen_;         // the last lines that came out
  std::vector<std::string> held_;        // of this connection, a repetition so far
  std::vector<std::size_t> candidates_;  // where in seen_ held_ may begin
  bool matching_ = false;
};

}  // namespace vibed
