// MultipartSource: a multipart/form-data body made as it is read, so that an archive never is in
// memory whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "vibed/stream.hpp"

namespace vibed {

class MultipartSource final : public ByteSource {
 public:
  // A field `metadata` and a file part `source` with the `size` bytes of `archive`, which outlives
  // this.
  MultipartSource(const std::string& metadata, ByteSource& archive, std::uint64_t size);

  Result<std::size_t> read(std::span<char> buffer) override;

  std::int64_t size() const { return size_; }
  std::string content_type() const;

 private:
  std::string boundary_;
  std::string head_;
  std::string tail_;
  ByteSource& archive_;
  std::uint64_t archive_left_;
  std::int64_t size_;
  std::size_t head_at_ = 0;
  std::size_t tail_at_ = 0;
};

}  // namespace vibed
