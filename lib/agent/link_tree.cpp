#include "agent/link_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/fd.hpp"
#include "base/files.hpp"

namespace vibed::agent {
namespace {

constexpr int kDeepest = 64;

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

Status mirror(const std::string& from, int to, int depth, std::uint64_t& count) {
  Directory folder(::opendir(from.c_str()), ::closedir);
  if (!folder) return errno_error("open " + from);
  while (const dirent* entry = ::readdir(folder.get())) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    std::string path = from + "/" + name;
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) continue;
    if (!S_ISDIR(info.st_mode)) {
      if (::symlinkat(path.c_str(), to, name.c_str()) == 0)
        ++count;
      else if (errno != EEXIST)
        return errno_error("link " + path);
      continue;
    }
    if (::mkdirat(to, name.c_str(), 0755) != 0 && errno != EEXIST)
      return errno_error("mirror " + path);
    Fd inner(::openat(to, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!inner || depth >= kDeepest) continue;
    Status done = mirror(path, inner.get(), depth + 1, count);
    if (!done) return done;
  }
  return success();
}

}  // namespace

Result<std::uint64_t> link_tree(const std::string& from, const std::string& to) {
  Status made = make_directories(to);
  if (!made) return std::move(made).error();
  Fd target(::open(to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!target) return errno_error("open " + to);
  std::uint64_t count = 0;
  Status done = mirror(from, target.get(), 0, count);
  if (!done) return std::move(done).error();
  return count;
}

}  // namespace vibed::agent
