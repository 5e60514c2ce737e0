#include "archive/gunzip.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error_codes.hpp"

namespace vibed::archive {
namespace {

constexpr std::size_t kPackedBytes = 64 * 1024;
constexpr std::size_t kBlockBytes = 256 * 1024;  // a multiple of tar's 512: no header is split

}  // namespace

Error bad(std::string message) { return make_error("bad_archive", std::move(message)); }

Gunzip::Gunzip(ByteSource& source, const ArchiveLimits& limits)
    : source_(source),
      limits_(limits),
      packed_(std::make_unique_for_overwrite<char[]>(kPackedBytes)),
      block_(std::make_unique_for_overwrite<char[]>(kBlockBytes)) {
  // 16: gzip and nothing else.
  if (inflateInit2(&stream_, MAX_WBITS + 16) != Z_OK) throw std::bad_alloc();
}

Gunzip::~Gunzip() { inflateEnd(&stream_); }

Result<std::string_view> Gunzip::next() {
  stream_.next_out = reinterpret_cast<Bytef*>(block_.get());
  stream_.avail_out = kBlockBytes;
  while (!done_ && stream_.avail_out > 0) {
    if (Status filled = fill(); !filled) return std::move(filled).error();
    Status step = in_member_ ? inflate_some() : begin_member();
    if (!step) return std::move(step).error();
  }
  std::size_t count = kBlockBytes - stream_.avail_out;
  inflated_ += count;
  if (inflated_ > limits_.unpacked_bytes) {
    return make_error("archive_too_large", fmt::format("the archive inflates to more than {} bytes",
                                                       limits_.unpacked_bytes));
  }
  return std::string_view(block_.get(), count);
}

Status Gunzip::fill() {
  if (stream_.avail_in > 0 || source_ended_) return success();
  auto count = source_.read(std::span(packed_.get(), kPackedBytes));
  if (!count) return std::move(count).error();
  source_ended_ = *count == 0;
  packed_read_ += *count;
  if (packed_read_ > limits_.packed_bytes) {
    return make_error("archive_too_large",
                      fmt::format("the archive is larger than {} bytes", limits_.packed_bytes));
  }
  stream_.next_in = reinterpret_cast<Bytef*>(packed_.get());
  stream_.avail_in = static_cast<uInt>(*count);
  return success();
}

Status Gunzip::begin_member() {
  if (stream_.avail_in == 0) {  // fill() found the end
    if (!started_) return bad("the archive is empty");
    done_ = true;
    return success();
  }
  if (*stream_.next_in == 0x1f && !padded_) {
    if (inflateReset(&stream_) != Z_OK) return bad("the archive is not gzip");
    started_ = in_member_ = true;
    return success();
  }
  if (!started_) return bad("the archive is not gzip");
  std::span<const Bytef> rest(stream_.next_in, stream_.avail_in);
  if (std::any_of(rest.begin(), rest.end(), [](Bytef byte) { return byte != 0; })) {
    return bad("the archive goes on after the end of its gzip stream");
  }
  stream_.avail_in = 0;
  padded_ = true;
  return success();
}

Status Gunzip::inflate_some() {
  if (stream_.avail_in == 0) return bad("the archive is truncated");
  switch (inflate(&stream_, Z_NO_FLUSH)) {
    case Z_OK:
    case Z_BUF_ERROR: return success();
    case Z_STREAM_END: in_member_ = false; return success();
    case Z_MEM_ERROR: return Error{Errc::resource_exhausted, "no memory to inflate the archive"};
    default: break;
  }
  std::string_view why = stream_.msg != nullptr ? stream_.msg : "bad data";
  // Of the member's very first bytes, or of what came later.
  if (why == "incorrect header check") return bad("the archive is not gzip");
  return bad(fmt::format("the archive is damaged ({})", why));
}

}  // namespace vibed::archive
