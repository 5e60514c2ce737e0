// multipart/form-data: where each part lies in a body. The parts themselves are not copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/result.hpp"
#include "vibed/stream.hpp"

namespace vibed::http {

struct Part {
  std::string name;
  std::optional<std::string> filename;  // set: a file
  std::string content_type;             // "" if not given
  std::uint64_t offset = 0;             // of its content in the body
  std::uint64_t length = 0;

  friend bool operator==(const Part&, const Part&) = default;
};

struct MultipartLimits {
  std::size_t parts = 16;
  std::size_t header_bytes = 8 * 1024;  // of one part
};

// The boundary of a Content-Type field, or bad_multipart if it is not multipart/form-data with one.
Result<std::string> multipart_boundary(std::string_view content_type);

// Finds the parts of a body that comes in pieces. Pure. Strict: nothing before the first boundary,
// nothing but a line end behind the last one, every part a form-data part with a name.
class MultipartParser {
 public:
  explicit MultipartParser(std::string_view boundary, MultipartLimits limits = {});

  // The next bytes of the body. bad_multipart; then the parser is of no further use.
  Status feed(std::string_view bytes);

  // After the last byte: the parts in their order, or bad_multipart if something is missing.
  Result<std::vector<Part>> finish();

 private:
  enum class State { start, boundary_end, headers, content, closed };
  enum class Step { more, starved };
  Result<Step> step();
  Result<Step> step_start();
  Result<Step> step_boundary_end();
  Result<Step> step_headers();
  Result<Step> step_content();
  Result<Step> step_closed();
  void consume(std::size_t count);
  std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }

  const std::string delimiter_;  // "\r\n--boundary"
  const MultipartLimits limits_;
  State state_ = State::start;
  std::string buffer_;        // what could not be decided yet
  std::size_t begin_ = 0;     // of the undecided part of it
  std::uint64_t offset_ = 0;  // of that in the body
  std::vector<Part> parts_;
};

// The parts of `body`, read to its end.
Result<std::vector<Part>> read_multipart(std::string_view content_type, ByteSource& body,
                                         MultipartLimits limits = {});

}  // namespace vibed::http
