#include "sandbox/uid_range.hpp"

#include <dirent.h>
#include <pwd.h>

#include <array>
#include <charconv>
#include <memory>
#include <string_view>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"

namespace vibed::sandbox {
namespace {

bool has_account(uid_t uid) {
  std::array<char, 16384> buffer;
  passwd entry = {};
  passwd* found = nullptr;
  ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr;
}

// "Uid:\t1000\t1000\t…" of a /proc/<pid>/status. The owner of the folder would not do: that of a
// process that may not be dumped is root.
bool status_has_uid(const std::string& status, uid_t uid) {
  std::size_t at = status.find("\nUid:\t");
  if (at == std::string::npos) return false;
  uid_t real = 0;
  const char* begin = status.data() + at + 6;
  std::from_chars(begin, status.data() + status.size(), real);
  return real == uid;
}

bool has_process(uid_t uid) {
  std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  if (!proc) return false;
  while (const dirent* entry = ::readdir(proc.get())) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    auto status = read_file("/proc/" + std::string(entry->d_name) + "/status", 64 * 1024);
    if (status && status_has_uid(*status, uid)) return true;
  }
  return false;
}

}  // namespace

bool uid_is_taken(uid_t uid) { return has_account(uid) || has_process(uid); }

UidRange::UidRange(uid_t first, uid_t last, const std::string& seed,
                   std::function<bool(uid_t)> taken)
    : first_(first), last_(last), taken_(std::move(taken)) {
  Sha256Digest digest = sha256(seed);
  uid_t offset = (uid_t{digest[0]} << 16) | (uid_t{digest[1]} << 8) | digest[2];
  next_ = first_ + offset % (last_ - first_ + 1);
}

Result<uid_t> UidRange::take() {
  std::lock_guard lock(mutex_);
  for (uid_t tried = 0; tried <= last_ - first_; ++tried) {
    uid_t uid = next_;
    next_ = uid == last_ ? first_ : uid + 1;
    if (given_.contains(uid) || taken_(uid)) continue;
    given_.insert(uid);
    return uid;
  }
  return make_error("pool_exhausted", "every uid of sandbox.uidRange is in use");
}

void UidRange::put_back(uid_t uid) {
  std::lock_guard lock(mutex_);
  given_.erase(uid);
}

void UidRange::mark(uid_t uid) {
  std::lock_guard lock(mutex_);
  given_.insert(uid);
}

}  // namespace vibed::sandbox
