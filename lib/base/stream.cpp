#include "vibed/stream.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.hpp"

namespace vibed {
namespace {

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : rest_(bytes) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    std::size_t count = rest_.copy(buffer.data(), buffer.size());
    rest_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view rest_;
};

class RangeSource final : public ByteSource {
 public:
  RangeSource(int fd, std::size_t offset, std::size_t length)
      : fd_(fd), offset_(offset), left_(length) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    std::size_t wanted = std::min(buffer.size(), left_);
    if (wanted == 0) return std::size_t{0};
    ssize_t count = 0;
    do {
      count = ::pread(fd_, buffer.data(), wanted, static_cast<off_t>(offset_));
    } while (count < 0 && errno == EINTR);
    if (count < 0) return errno_error("read");
    offset_ += static_cast<std::size_t>(count);
    left_ -= static_cast<std::size_t>(count);
    return static_cast<std::size_t>(count);
  }

 private:
  int fd_;
  std::size_t offset_;
  std::size_t left_;
};

class FileSource final : public ByteSource {
 public:
  explicit FileSource(Fd fd) : fd_(std::move(fd)), range_(fd_.get(), 0, SIZE_MAX) {}
  Result<std::size_t> read(std::span<char> buffer) override { return range_.read(buffer); }

 private:
  Fd fd_;
  RangeSource range_;
};

}  // namespace

std::unique_ptr<ByteSource> make_memory_source(std::string_view bytes) {
  return std::make_unique<MemorySource>(bytes);
}

Result<std::unique_ptr<ByteSource>> open_file_source(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  return std::unique_ptr<ByteSource>(std::make_unique<FileSource>(std::move(fd)));
}

std::unique_ptr<ByteSource> make_file_range_source(int fd, std::size_t offset, std::size_t length) {
  return std::make_unique<RangeSource>(fd, offset, length);
}

Result<std::string> read_all(ByteSource& source, std::size_t limit) {
  std::string bytes;
  char buffer[16384];
  for (;;) {
    auto count = source.read(buffer);
    if (!count) return std::move(count).error();
    if (*count == 0) return bytes;
    bytes.append(buffer, *count);
    if (bytes.size() > limit) {
      return Error{Errc::resource_exhausted, "more than " + std::to_string(limit) + " bytes"};
    }
  }
}

}  // namespace vibed
