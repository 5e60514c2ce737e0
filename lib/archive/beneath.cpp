#include "archive/beneath.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>

#include "archive/path.hpp"

namespace vibed::archive {
namespace {

// Empties the folder at `path` as far as it can without descending: the name of a folder in it that
// is not empty, or nothing when all is gone.
Result<std::optional<std::string>> empty_folder(int root, const std::string& path) {
  Fd fd = open_beneath(root, path, O_RDONLY | O_DIRECTORY);
  if (!fd) return errno_error("open " + path);
  OpenFolder dir(::fdopendir(fd.get()));
  if (!dir) return errno_error("open " + path);
  int at = fd.release();
  while (const dirent* child = ::readdir(dir.get())) {
    std::string name = child->d_name;
    if (name == "." || name == "..") continue;
    if (::unlinkat(at, name.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (::unlinkat(at, name.c_str(), AT_REMOVEDIR) == 0) continue;
    if (errno == ENOTEMPTY || errno == EEXIST) return std::optional<std::string>(name);
    return errno_error("remove " + path + "/" + name);
  }
  return std::optional<std::string>();
}

}  // namespace

Fd open_beneath(int root, const std::string& path, int flags, unsigned mode) {
  static std::atomic<bool> absent = false;  // the kernel has no openat2
  if (absent.load(std::memory_order_relaxed)) {
    return open_beneath_by_parts(root, path, flags, mode);
  }
  open_how how = {};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  long fd = 0;
  do {
    fd = ::syscall(SYS_openat2, root, name, &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  if (fd < 0 && errno == ENOSYS) {
    absent = true;
    return open_beneath_by_parts(root, path, flags, mode);
  }
  return Fd(static_cast<int>(fd));
}

Fd open_beneath_by_parts(int root, const std::string& path, int flags, unsigned mode) {
  Fd folder;
  int at = root;
  std::string_view rest = path.empty() ? "." : std::string_view(path);
  for (;;) {
    std::size_t slash = std::min(rest.find('/'), rest.size());
    std::string part(rest.substr(0, slash));
    if (part.empty() || part == "..") {
      errno = EXDEV;  // as openat2 has it
      return Fd();
    }
    if (slash == rest.size()) {
      return Fd(::openat(at, part.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode));
    }
    Fd next(::openat(at, part.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!next) return Fd();
    folder = std::move(next);
    at = folder.get();
    rest.remove_prefix(slash + 1);
  }
}

Status remove_beneath(int root, const std::string& path) {
  std::string folder(parent_of(path));
  Fd above = open_beneath(root, folder, O_PATH | O_DIRECTORY);
  if (!above) return errno == ENOENT ? success() : Status(errno_error("open " + folder));
  std::string name = folder.empty() ? path : path.substr(folder.size() + 1);
  std::string at = name;
  for (;;) {
    if (::unlinkat(above.get(), name.c_str(), 0) == 0 || errno == ENOENT) return success();
    if (::unlinkat(above.get(), name.c_str(), AT_REMOVEDIR) == 0) return success();
    if (errno != ENOTEMPTY && errno != EEXIST) return errno_error("remove " + path);
    auto full = empty_folder(above.get(), at);
    if (!full) return std::move(full).error();
    if (*full) {
      at += "/" + **full;
    } else if (at != name) {
      at = parent_of(at);
    }
  }
}

}  // namespace vibed::archive
