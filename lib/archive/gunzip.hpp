// Gunzip inflates a gzip stream block by block, strictly.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "vibed/archive.hpp"
#include "vibed/stream.hpp"

namespace vibed::archive {

Error bad(std::string message);  // bad_archive

// zlib and not libarchive's own gzip filter, because that one checks neither the CRC nor the length
// at the end and takes any rubbish behind it for the end.
//
// Several gzip members after one another are one stream, as gunzip and pigz have it; zero bytes may
// follow the last one (tape padding), anything else is bad_archive.
class Gunzip {
 public:
  // Both arguments outlive the object.
  Gunzip(ByteSource& source, const ArchiveLimits& limits);
  ~Gunzip();
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  // The next bytes, good until the next call; empty at the end of a complete stream. Fails with
  // bad_archive or archive_too_large, or as the source does.
  Result<std::string_view> next();

  std::uint64_t inflated() const { return inflated_; }  // bytes handed out so far

 private:
  Status fill();          // reads more packed bytes when there are none
  Status begin_member();  // sees a gzip header or the end
  Status inflate_some();

  ByteSource& source_;
  const ArchiveLimits& limits_;
  z_stream stream_ = {};
  std::unique_ptr<char[]> packed_;
  std::unique_ptr<char[]> block_;
  std::uint64_t packed_read_ = 0;
  std::uint64_t inflated_ = 0;
  bool source_ended_ = false;
  bool started_ = false;  // a first member was seen
  bool in_member_ = false;
  bool padded_ = false;  // zero bytes after a member: no further one may begin
  bool done_ = false;
};

}  // namespace vibed::archive
