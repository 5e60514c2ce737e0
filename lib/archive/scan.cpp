#include "archive/scan.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <utility>

#include "archive/beneath.hpp"
#include "archive/ignore.hpp"
#include "archive/listing.hpp"
#include "archive/path.hpp"
#include "base/error_codes.hpp"

namespace vibed::archive {
namespace {

constexpr std::size_t kIgnoreFileBytes = 1024 * 1024;

// The first `limit` bytes of a regular file, or nothing at all.
std::string read_start(int folder, const std::string& name, std::size_t limit) {
  Fd fd = open_beneath(folder, name, O_RDONLY | O_NONBLOCK);
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  std::string text(limit, '\0');
  std::size_t size = 0;
  while (size < limit) {
    ssize_t count = ::read(fd.get(), text.data() + size, limit - size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    size += static_cast<std::size_t>(count);
  }
  text.resize(size);
  return text;
}

class Scan {
 public:
  Scan(int root, const ScanOptions& options) : root_(root), options_(options) {}

  Result<std::vector<ArchiveEntry>> run() {
    folders_.emplace_back();
    while (!folders_.empty()) {
      std::string folder = std::move(folders_.front());
      folders_.pop_front();
      if (Status read = read_folder(folder); !read) return std::move(read).error();
    }
    std::sort(entries_.begin(), entries_.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    return std::move(entries_);
  }

 private:
  Status read_folder(const std::string& folder);
  Status add(int at, const std::string& name, std::string path);
  Result<std::string> read_link(int at, const std::string& name, const std::string& path);

  int root_;
  const ScanOptions& options_;
  IgnoreRules rules_;
  std::deque<std::string> folders_;  // to be read; one descriptor at a time, however deep it goes
  std::vector<ArchiveEntry> entries_;
};

Status Scan::read_folder(const std::string& folder) {
  Fd fd = open_beneath(root_, folder, O_RDONLY | O_DIRECTORY);
  OpenFolder dir(fd ? ::fdopendir(fd.get()) : nullptr);
  if (!dir) return errno_error("read folder " + shown(folder));
  int at = fd.release();
  if (options_.ignore_files) {
    // In this order, so that .vibedignore has the last word.
    rules_.add(folder, read_start(at, ".gitignore", kIgnoreFileBytes));
    rules_.add(folder, read_start(at, ".vibedignore", kIgnoreFileBytes));
  }
  for (;;) {
    errno = 0;
    const dirent* child = ::readdir(dir.get());
    if (child == nullptr) break;
    std::string name = child->d_name;
    if (name == "." || name == ".." || is_cruft(name)) continue;
    if (options_.skip_git && name == ".git") continue;
    Status added = add(at, name, folder.empty() ? name : folder + "/" + name);
    if (!added) return added;
  }
  return errno == 0 ? success() : Status(errno_error("read folder " + shown(folder)));
}

Status Scan::add(int at, const std::string& name, std::string path) {
  struct stat info {};
  if (::fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? success() : Status(errno_error("stat " + shown(path)));
  }
  bool is_folder = S_ISDIR(info.st_mode);
  if (!is_folder && !S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) return success();
  if (options_.ignore_files && rules_.ignores(path, is_folder)) return success();
  if (auto clean = clean_path(path, options_.limits.path_bytes); !clean) {
    return std::move(clean).error();
  }
  if (entries_.size() >= options_.limits.entries) {
    return make_error("archive_too_large",
                      fmt::format("the folder has more than {} entries", options_.limits.entries));
  }
  ArchiveEntry entry{.path = std::move(path)};
  if (is_folder) {
    entry.type = EntryType::directory;
    folders_.push_back(entry.path);
  } else if (S_ISLNK(info.st_mode)) {
    entry.type = EntryType::symlink;
    auto target = read_link(at, name, entry.path);
    if (!target) return std::move(target).error();
    entry.target = *std::move(target);
  } else {
    entry.size = static_cast<std::uint64_t>(info.st_size);
    entry.executable = (info.st_mode & 0111U) != 0;
  }
  entries_.push_back(std::move(entry));
  return success();
}

Result<std::string> Scan::read_link(int at, const std::string& name, const std::string& path) {
  char target[4096];
  ssize_t length = ::readlinkat(at, name.c_str(), target, sizeof target);
  if (length < 0) return errno_error("read link " + shown(path));
  return std::string(target, static_cast<std::size_t>(length));
}

}  // namespace

Result<Fd> open_directory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOTDIR) return make_error("not_a_directory", path + " is not a folder");
  if (!fd) return errno_error("open " + path);
  return fd;
}

Result<std::vector<ArchiveEntry>> scan_directory(int root, const ScanOptions& options) {
  return Scan(root, options).run();
}

std::string read_package_json(int root) {
  return read_start(root, "package.json", kPackageJsonBytes);
}

}  // namespace vibed::archive

namespace vibed {

Result<Listing> list_directory(const std::string& path, const ArchiveLimits& limits) {
  auto root = archive::open_directory(path);
  if (!root) return std::move(root).error();
  auto entries = archive::scan_directory(root->get(), {.limits = limits});
  if (!entries) return std::move(entries).error().during("list " + path);
  return Listing{.entries = *std::move(entries),
                 .package_json = archive::read_package_json(root->get())};
}

}  // namespace vibed
