// The SourceStore in a folder, whose files the API serves to sandboxes that pull.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error_codes.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"
#include "source/source_key.hpp"
#include "vibed/source_store.hpp"

namespace vibed {
namespace {

constexpr std::string_view kSuffix = ".tar.gz";
constexpr std::string_view kTemporary = ".put-";
constexpr std::size_t kBufferBytes = 256 * 1024;

// Keys are capabilities: no message names one.
Error no_such_source() { return {Errc::not_found, "there is no such source"}; }

Error write_error() {
  // A file size limit is a full disk of another kind.
  if (errno == EFBIG) return make_error("storage_full", "write a source: the file is too large");
  return errno_error("write a source");
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return write_error();
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return success();
}

std::chrono::system_clock::time_point time_of(const struct stat& info) {
  auto since =
      std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec);
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(since));
}

// A temporary file of the folder. It is locked while it has a name, which tells the sweep of
// another process that its writer lives.
class Temporary {
 public:
  static Result<Temporary> make(int folder) {
    for (;;) {
      Temporary made(folder, std::string(kTemporary) + random_hex(8));
      int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
      made.fd_ = Fd(::openat(folder, made.name_.c_str(), flags, 0600));
      if (!made.fd_) return errno_error("make a source");
      if (::flock(made.fd_.get(), LOCK_EX) != 0) return errno_error("lock a source");
      // A sweep may have come between making and locking it.
      struct stat info {};
      if (::fstat(made.fd_.get(), &info) != 0) return errno_error("make a source");
      if (info.st_nlink > 0) return made;
    }
  }

  Temporary(Temporary&& other) noexcept
      : folder_(other.folder_), name_(std::exchange(other.name_, {})), fd_(std::move(other.fd_)) {}
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary() {
    if (!name_.empty()) ::unlinkat(folder_, name_.c_str(), 0);
  }

  int fd() const { return fd_.get(); }

  // Gives it its final name. From then on it stays.
  Status rename_to(const std::string& name) {
    if (::renameat(folder_, name_.c_str(), folder_, name.c_str()) != 0) {
      return errno_error("name a source");
    }
    name_.clear();
    return success();
  }

 private:
  Temporary(int folder, std::string name) : folder_(folder), name_(std::move(name)) {}

  int folder_;
  std::string name_;  // empty: nothing to remove
  Fd fd_;
};

// The names in a folder.
Result<std::vector<std::string>> names_in(int folder) {
  Fd again(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* entries = again ? ::fdopendir(again.get()) : nullptr;
  if (entries == nullptr) return errno_error("list the sources");
  again.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(entries)) names.emplace_back(entry->d_name);
  int failed = errno;
  ::closedir(entries);
  if (failed != 0) return errno_error("list the sources", failed);
  return names;
}

class ServedSourceStore final : public SourceStore {
 public:
  ServedSourceStore(Fd folder, std::string base_url)
      : folder_(std::move(folder)), base_url_(std::move(base_url)) {}

  Result<StoredSource> put(const std::string& app, std::int64_t version,
                           ByteSource& bytes) override {
    auto key = make_source_key(app, version);
    if (!key) return std::move(key).error();
    auto temporary = Temporary::make(folder_.get());
    if (!temporary) return std::move(temporary).error();
    StoredSource stored{*key, 0, ""};
    if (Status done = copy(bytes, temporary->fd(), stored); !done) return done.error();
    if (::fsync(temporary->fd()) != 0) return write_error();
    struct stat info {};
    if (::fstat(temporary->fd(), &info) != 0) return errno_error("store a source");
    stored.stored_at = time_of(info);
    if (Status named = temporary->rename_to(file_of(*key)); !named) return named.error();
    if (::fsync(folder_.get()) != 0) {
      Error error = write_error();
      ::unlinkat(folder_.get(), file_of(*key).c_str(), 0);
      return error;
    }
    return stored;
  }

  Result<std::unique_ptr<ByteSource>> open(const std::string& key) override {
    if (!is_source_key(key)) return no_such_source();
    std::string path = "/proc/self/fd/" + std::to_string(folder_.get()) + "/" + file_of(key);
    auto opened = open_file_source(path);
    if (opened) return opened;
    Errc code = opened.error().code;
    if (code == Errc::not_found) return no_such_source();
    return Error{code, "a source cannot be read"};
  }

  Result<std::string> url(const std::string& key, std::chrono::seconds) override {
    if (base_url_.empty()) {
      return Error{Errc::unavailable, "the sources of this store have no address"};
    }
    struct stat info {};
    bool there =
        is_source_key(key) && ::fstatat(folder_.get(), file_of(key).c_str(), &info, 0) == 0;
    if (!there) return no_such_source();
    return base_url_ + "/internal/sources/" + file_of(key);
  }

  Status remove(const std::string& key) override {
    if (!is_source_key(key)) return success();
    int done = ::unlinkat(folder_.get(), file_of(key).c_str(), 0);
    return done == 0 || errno == ENOENT ? success() : errno_error("remove a source");
  }

  Result<std::vector<StoredSource>> list() override {
    auto names = names_in(folder_.get());
    if (!names) return std::move(names).error();
    std::vector<StoredSource> all;
    for (const std::string& name : *names) {
      if (!name.ends_with(kSuffix)) continue;
      std::string key = name.substr(0, name.size() - kSuffix.size());
      struct stat info {};
      if (!is_source_key(key) || ::fstatat(folder_.get(), name.c_str(), &info, 0) != 0) continue;
      all.push_back({key, static_cast<std::uint64_t>(info.st_size), "", time_of(info)});
    }
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.key < b.key; });
    return all;
  }

  // Removes the temporary files whose writers are dead.
  Status sweep() {
    auto names = names_in(folder_.get());
    if (!names) return std::move(names).error();
    for (const std::string& name : *names) {
      if (!name.starts_with(kTemporary)) continue;
      Fd fd(::openat(folder_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
      if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
      ::unlinkat(folder_.get(), name.c_str(), 0);
    }
    return success();
  }

 private:
  static std::string file_of(const std::string& key) { return key + std::string(kSuffix); }

  static Status copy(ByteSource& bytes, int fd, StoredSource& stored) {
    Sha256 hash;
    std::vector<char> buffer(kBufferBytes);
    for (;;) {
      auto count = bytes.read(buffer);
      if (!count) return std::move(count).error();
      if (*count == 0) break;
      std::string_view piece(buffer.data(), *count);
      hash.update(piece);
      stored.size += *count;
      if (Status written = write_all(fd, piece); !written) return written;
    }
    stored.sha256 = to_hex(hash.finish());
    return success();
  }

  Fd folder_;
  std::string base_url_;
};

}  // namespace

Result<std::unique_ptr<SourceStore>> open_served_source_store(const std::string& root,
                                                              const std::string& public_base_url) {
  if (Status made = make_directories(root, 0700); !made) return std::move(made).error();
  // The folder itself must survive a power cut as well.
  if (Status synced = sync_directory(root + "/.."); !synced) return std::move(synced).error();
  Fd folder(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return errno_error("open " + root);
  std::string base = public_base_url;
  while (base.ends_with('/')) base.pop_back();
  auto store = std::make_unique<ServedSourceStore>(std::move(folder), std::move(base));
  if (Status swept = store->sweep(); !swept) return std::move(swept).error();
  return std::unique_ptr<SourceStore>(std::move(store));
}

}  // namespace vibed
