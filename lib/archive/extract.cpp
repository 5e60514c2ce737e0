#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "archive/beneath.hpp"
#include "archive/path.hpp"
#include "archive/walk.hpp"
#include "base/fd.hpp"
#include "base/ids.hpp"
#include "vibed/archive.hpp"

namespace vibed {
namespace {

using namespace archive;

// Moves `name` without replacing anything. Not every file system knows RENAME_NOREPLACE.
bool rename_new(int from, int to, const char* name) {
  if (::renameat2(from, name, to, name, RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  struct stat info {};
  if (::fstatat(to, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
    return false;
  }
  return ::renameat(from, name, to, name) == 0;
}

// A hidden folder in the target, in which everything is made: which folder is to be stripped is
// known only at the end, and so a failure has one thing to remove.
class Stage final : public Visitor {
 public:
  explicit Stage(int target) : target_(target), name_(".vibed-stage-" + random_hex(8)) {}
  ~Stage() override { (void)remove_beneath(target_, name_); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  Status open();
  Status entry(const ArchiveEntry& entry, const Change& change) override;
  Status data(std::uint64_t offset, std::string_view bytes) override;

  // Makes the links and moves everything below `wrapper` up into the target.
  Result<Extraction> publish(const Walked& walked);

 private:
  // The folder that `path` is in and its name there.
  struct Place {
    int folder;
    std::string name;
  };
  Result<Place> place_of(std::string_view path);
  Status make_folder(const std::string& path);
  Status make_file(const ArchiveEntry& entry);
  Status make_hardlink(const ArchiveEntry& entry);
  Status finish_file();
  Status make_symlinks(const Tree& tree);
  Status move_up(const std::string& wrapper, const std::vector<std::string>& names);
  Error failed(std::string_view what, std::string_view path) const {
    return errno_error(std::string(what) + " " + shown(path));
  }

  int target_;
  std::string name_;
  Fd stage_;
  bool masked_ = false;  // the umask takes more than 022 away
  Fd folder_;            // where the last entry was, of path folder_path_
  std::string folder_path_;
  Fd file_;  // the file that is being written, of file_size_ bytes, written up to file_end_
  std::string file_path_;
  std::uint64_t file_size_ = 0;
  std::uint64_t file_end_ = 0;
};

Status Stage::open() {
  if (::mkdirat(target_, name_.c_str(), 0777) != 0) return errno_error("make a folder");
  stage_ = open_beneath(target_, name_, O_PATH | O_DIRECTORY);
  if (!stage_) return errno_error("open " + name_);
  struct stat info {};
  if (::fstat(stage_.get(), &info) != 0) return errno_error("stat " + name_);
  masked_ = (info.st_mode & 0755U) != 0755U;
  if (::fchmodat(target_, name_.c_str(), 0700, 0) != 0) return errno_error("chmod " + name_);
  return success();
}

Status Stage::entry(const ArchiveEntry& entry, const Change& change) {
  if (Status finished = finish_file(); !finished) return finished;
  if (!change.removed.empty()) folder_.reset();  // it may be among them
  for (const std::string& path : change.removed) {
    if (Status removed = remove_beneath(stage_.get(), path); !removed) return removed;
  }
  for (const std::string& path : change.folders) {
    if (Status made = make_folder(path); !made) return made;
  }
  switch (entry.type) {
    case EntryType::directory: return make_folder(entry.path);
    case EntryType::file: return make_file(entry);
    case EntryType::hardlink: return make_hardlink(entry);
    case EntryType::symlink: return success();  // at the end: nothing is ever written through one
  }
  return success();
}

Result<Stage::Place> Stage::place_of(std::string_view path) {
  std::string_view parent = parent_of(path);
  if (!folder_ || parent != folder_path_) {
    // From where the last entry was when that is above: deep trees would take quadratic time.
    bool below = folder_ && !folder_path_.empty() && parent.starts_with(folder_path_ + "/");
    std::string rest(parent.substr(below ? folder_path_.size() + 1 : 0));
    folder_ = open_beneath(below ? folder_.get() : stage_.get(), rest, O_PATH | O_DIRECTORY);
    if (!folder_) return failed("open folder", parent);
    folder_path_ = parent;
  }
  return Place{folder_.get(), std::string(path.substr(parent.empty() ? 0 : parent.size() + 1))};
}

Status Stage::make_folder(const std::string& path) {
  auto place = place_of(path);
  if (!place) return std::move(place).error();
  if (::mkdirat(place->folder, place->name.c_str(), 0755) != 0) {
    return errno == EEXIST ? success() : Status(failed("make folder", path));
  }
  if (masked_ && ::fchmodat(place->folder, place->name.c_str(), 0755, 0) != 0) {
    return failed("chmod", path);
  }
  return success();
}

Status Stage::make_file(const ArchiveEntry& entry) {
  auto place = place_of(entry.path);
  if (!place) return std::move(place).error();
  unsigned mode = entry.executable ? 0755 : 0644;
  file_ = open_beneath(place->folder, place->name, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (!file_) return failed("create", entry.path);
  if (masked_ && ::fchmod(file_.get(), mode) != 0) return failed("chmod", entry.path);
  file_path_ = entry.path;
  file_size_ = entry.size;
  file_end_ = 0;
  return success();
}

Status Stage::make_hardlink(const ArchiveEntry& entry) {
  std::string parent(parent_of(entry.target));
  Fd folder = open_beneath(stage_.get(), parent, O_PATH | O_DIRECTORY);
  if (!folder) return failed("open folder", parent);
  std::string name = entry.target.substr(parent.empty() ? 0 : parent.size() + 1);
  auto place = place_of(entry.path);
  if (!place) return std::move(place).error();
  if (::linkat(folder.get(), name.c_str(), place->folder, place->name.c_str(), 0) != 0) {
    return failed("link", entry.path);
  }
  return success();
}

Status Stage::data(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("write", file_path_);
    offset += static_cast<std::uint64_t>(count);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  file_end_ = std::max(file_end_, offset);
  return success();
}

Status Stage::finish_file() {
  Fd file = std::move(file_);
  if (file && file_end_ < file_size_ &&
      ::ftruncate(file.get(), static_cast<off_t>(file_size_)) != 0) {
    return failed("write", file_path_);
  }
  return success();
}

Status Stage::make_symlinks(const Tree& tree) {
  for (const auto& [path, entry] : tree.nodes()) {
    if (entry.type != EntryType::symlink) continue;
    auto place = place_of(path);
    if (!place) return std::move(place).error();
    if (::symlinkat(entry.target.c_str(), place->folder, place->name.c_str()) != 0) {
      return failed("make link", path);
    }
  }
  return success();
}

Result<Extraction> Stage::publish(const Walked& walked) {
  if (Status finished = finish_file(); !finished) return std::move(finished).error();
  if (Status linked = make_symlinks(walked.tree); !linked) return std::move(linked).error();
  Extraction extraction;
  std::vector<std::string> tops;
  for (const auto& [path, entry] : walked.tree.nodes()) {
    bool is_file = entry.type == EntryType::file || entry.type == EntryType::hardlink;
    extraction.files += is_file ? 1 : 0;
    extraction.bytes += entry.size;
    if (path != walked.wrapper && parent_of(path) == walked.wrapper) {
      tops.push_back(path.substr(walked.wrapper.empty() ? 0 : walked.wrapper.size() + 1));
    }
  }
  if (Status moved = move_up(walked.wrapper, tops); !moved) return std::move(moved).error();
  return extraction;
}

// What was in the target before stays; then what was moved goes back, to be removed with the rest.
Status Stage::move_up(const std::string& wrapper, const std::vector<std::string>& names) {
  Fd from = open_beneath(stage_.get(), wrapper, O_PATH | O_DIRECTORY);
  if (!from) return failed("open folder", wrapper);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const char* name = names[i].c_str();
    if (rename_new(from.get(), target_, name)) continue;
    Error error = failed("move up", names[i]);
    while (i-- > 0) ::renameat(target_, names[i].c_str(), from.get(), names[i].c_str());
    return error;
  }
  return success();
}

}  // namespace

Result<Extraction> extract_archive(ByteSource& source, int directory_fd,
                                   const ArchiveLimits& limits) {
  Stage stage(directory_fd);
  if (Status opened = stage.open(); !opened) return std::move(opened).error().during("extract");
  auto walked = walk_archive(source, limits, stage);
  if (!walked) return std::move(walked).error();
  auto extraction = stage.publish(*walked);
  if (!extraction) return std::move(extraction).error().during("extract");
  return extraction;
}

}  // namespace vibed
