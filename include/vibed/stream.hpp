// ByteSource and ByteSink: how bytes too many for memory pass through vibed's interfaces.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

// Bytes that are read once, from the front. One thread at a time.
class VIBED_EXPORT ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Puts up to buffer.size() bytes into `buffer` and returns how many; 0 means the end.
  // REQUIRES: buffer is not empty
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;
};

// Somewhere bytes go, in order.
using ByteSink = std::function<Status(std::string_view bytes)>;

// Reads `bytes`, which must outlive the source.
VIBED_EXPORT std::unique_ptr<ByteSource> make_memory_source(std::string_view bytes);

// Reads the file at `path` from its start, or fails with `not_found`.
VIBED_EXPORT Result<std::unique_ptr<ByteSource>> open_file_source(const std::string& path);

// Reads `length` bytes of the open file `fd` from `offset` on, without moving its position.
// `fd` stays the caller's and must outlive the source.
VIBED_EXPORT std::unique_ptr<ByteSource> make_file_range_source(int fd, std::size_t offset,
                                                                std::size_t length);

// Everything `source` still has, or `resource_exhausted` past `limit` bytes.
VIBED_EXPORT Result<std::string> read_all(ByteSource& source, std::size_t limit);

}  // namespace vibed
