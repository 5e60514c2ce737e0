#include "http/spool.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/error_codes.hpp"
#include "base/files.hpp"

namespace vibed::http {
namespace {

Result<Fd> open_nameless(const std::string& directory) {
  Fd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
    return errno_error("make a file for the upload");
  }
  // A file system without O_TMPFILE.
  std::string path = directory + "/.upload-XXXXXX";
  Fd named(::mkostemp(path.data(), O_CLOEXEC));
  if (!named) return errno_error("make a file for the upload");
  ::unlink(path.c_str());
  return named;
}

}  // namespace

Error too_large(std::uint64_t limit) {
  return make_error("payload_too_large", fmt::format("the body may have {} bytes", limit));
}

Result<BodyKeeper> BodyKeeper::open(const RouteOptions& options,
                                    const std::string& spool_directory) {
  BodyKeeper keeper;
  keeper.options_ = options;
  if (options.body != BodyMode::spool) return keeper;
  auto file = open_nameless(spool_directory);
  if (!file) return std::move(file).error();
  keeper.file_ = *std::move(file);
  return keeper;
}

Status BodyKeeper::append(std::string_view bytes) {
  if (bytes.size() > options_.max_body_bytes - size_) return too_large(options_.max_body_bytes);
  size_ += bytes.size();
  if (options_.body != BodyMode::spool) {
    memory_ += bytes;
    return success();
  }
  return write_all(file_.get(), bytes, "keep the upload");
}

void BodyKeeper::finish(Request& request) {
  request.body = std::move(memory_);
  if (file_) request.body_file = std::make_shared<BodyFile>(file_.release(), size_);
}

}  // namespace vibed::http
