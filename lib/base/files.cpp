#include "base/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.hpp"
#include "base/ids.hpp"

namespace vibed {
namespace {

std::string parent_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Status write_all(int fd, std::string_view bytes, const std::string& action) {
  while (!bytes.empty()) {
    ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(action);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return success();
}

Status write_file(const std::string& path, std::string_view bytes, Durability durability,
                  unsigned mode) {
  std::string temporary = path + ".tmp-" + random_hex(8);
  Status done = [&]() -> Status {
    Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd) return errno_error("create " + temporary);
    if (Status written = write_all(fd.get(), bytes, "write " + path); !written) return written;
    if (durability == Durability::synced && ::fsync(fd.get()) != 0)
      return errno_error("fsync " + path);
    if (::rename(temporary.c_str(), path.c_str()) != 0) return errno_error("rename to " + path);
    return success();
  }();
  if (!done) {
    ::unlink(temporary.c_str());
    return done;
  }
  return durability == Durability::synced ? sync_directory(parent_of(path)) : success();
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  std::string text;
  char buffer[16384];
  for (;;) {
    ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("read " + path);
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > limit) {
      return Error{Errc::resource_exhausted,
                   path + " is larger than " + std::to_string(limit) + " bytes"};
    }
  }
}

Status sync_directory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  if (::fsync(fd.get()) != 0) return errno_error("fsync " + path);
  return success();
}

Status make_directories(const std::string& path, unsigned mode) {
  if (path.empty() || path == "/" || path == ".") return success();
  if (::mkdir(path.c_str(), mode) == 0) return success();
  if (errno == EEXIST) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return success();
    return errno_error("make folder " + path, ENOTDIR);
  }
  if (errno != ENOENT) return errno_error("make folder " + path);
  if (Status parent = make_directories(parent_of(path), mode); !parent) return parent;
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return success();
  return errno_error("make folder " + path);
}

}  // namespace vibed
