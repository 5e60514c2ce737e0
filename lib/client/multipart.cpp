#include "client/multipart.hpp"

#include <algorithm>
#include <cstring>

#include "base/ids.hpp"

namespace vibed {
namespace {

// Copies what is left of `text` from `at` on, as far as `buffer` goes.
std::size_t take(const std::string& text, std::size_t& at, std::span<char> buffer) {
  const std::size_t count = std::min(text.size() - at, buffer.size());
  std::memcpy(buffer.data(), text.data() + at, count);
  at += count;
  return count;
}

}  // namespace

MultipartSource::MultipartSource(const std::string& metadata, ByteSource& archive,
                                 std::uint64_t size)
    : boundary_("vibed-" + random_hex(16)), archive_(archive), archive_left_(size) {
  head_ = "--" + boundary_ +
          "\r\nContent-Disposition: form-data; name=\"metadata\"\r\n"
          "Content-Type: application/json\r\n\r\n" +
          metadata + "\r\n--" + boundary_ +
          "\r\nContent-Disposition: form-data; name=\"source\"; filename=\"source.tar.gz\"\r\n"
          "Content-Type: application/gzip\r\n\r\n";
  tail_ = "\r\n--" + boundary_ + "--\r\n";
  size_ = static_cast<std::int64_t>(head_.size() + size + tail_.size());
}

std::string MultipartSource::content_type() const {
  return "multipart/form-data; boundary=" + boundary_;
}

Result<std::size_t> MultipartSource::read(std::span<char> buffer) {
  if (head_at_ < head_.size()) return take(head_, head_at_, buffer);
  if (archive_left_ == 0) return take(tail_, tail_at_, buffer);
  const auto want = std::min<std::uint64_t>(archive_left_, buffer.size());
  auto got = archive_.read(buffer.first(static_cast<std::size_t>(want)));
  if (!got) return got;
  // The length was promised: an archive that has shrunk meanwhile cannot be sent.
  if (*got == 0) return Error{Errc::unavailable, "the archive became shorter while it was sent"};
  archive_left_ -= *got;
  return got;
}

}  // namespace vibed
