// LineStream reads an endless HTTP/1.1 answer of lines, as the agent's /events is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vibed/result.hpp"

namespace vibed::sandbox {

// Takes the bytes of one connection in any pieces. Pure.
class LineStream {
 public:
  // The complete, non-empty lines of the body in `bytes` and what came before. Fails for good on an
  // answer that is not 200 (`unavailable`) or not HTTP/1.1 with or without chunks.
  Result<std::vector<std::string>> feed(std::string_view bytes);

 private:
  enum class State { head, body, chunk_size, chunk_data, chunk_end, done };

  bool read_head();
  bool step();
  void add_body(std::string_view bytes);

  State state_ = State::head;
  std::string pending_;  // not yet understood
  std::string line_;     // the body's last, incomplete line
  std::size_t chunk_left_ = 0;
  std::vector<std::string> lines_;
  std::string wrong_;
};

}  // namespace vibed::sandbox
