#include "engine/data_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/error_codes.hpp"
#include "base/files.hpp"

namespace vibed {
namespace {

// Raised when an older vibed could no longer read the folder.
constexpr int kFormat = 1;

// sun_path holds 107 bytes and the terminator; the longest socket is
// run/sandboxes/<id>/control.sock.
constexpr std::size_t kLongestSocket = sizeof("/run/sandboxes/0123456789abcdef/control.sock") - 1;
constexpr std::size_t kLongestPath = 107 - kLongestSocket;

Status check_format(const std::string& path) {
  std::string file = path + "/format";
  auto text = read_file(file, 64);
  if (!text && text.error().code == Errc::not_found) {
    return write_file(file, std::to_string(kFormat) + "\n", Durability::synced);
  }
  if (!text) return std::move(text).error();
  int format = 0;
  std::from_chars(text->data(), text->data() + text->size(), format);
  if (format > kFormat) {
    return make_error("data_too_new", "data folder " + path + " has format " +
                                          std::to_string(format) + ", this vibed knows up to " +
                                          std::to_string(kFormat) +
                                          "; use a newer vibed or another --data");
  }
  return success();
}

Status check_length(const std::string& path) {
  if (path.size() <= kLongestPath) return success();
  return make_error("path_too_long", "data folder " + path + " has " + std::to_string(path.size()) +
                                         " bytes; unix sockets in it allow " +
                                         std::to_string(kLongestPath) +
                                         ", choose a shorter one with --data");
}

}  // namespace

Result<DataFolder> DataFolder::open(const std::string& wanted) {
  if (wanted.empty()) return Error{Errc::invalid_argument, "no data folder given"};
  // Before anything is made of a path that will not do.
  std::error_code unknown;
  auto expected =
      std::filesystem::weakly_canonical(std::filesystem::absolute(wanted, unknown), unknown);
  if (!unknown) {
    if (Status fits = check_length(expected.string()); !fits) return std::move(fits).error();
  }
  // 0711: sandboxes of other uids pass through to what is theirs, and list nothing.
  if (Status made = make_directories(wanted, 0711); !made) {
    return std::move(made).error().during("data folder");
  }
  char resolved[PATH_MAX];
  if (::realpath(wanted.c_str(), resolved) == nullptr) return errno_error("data folder " + wanted);
  std::string path = resolved;
  if (Status fits = check_length(path); !fits) return std::move(fits).error();

  Fd lock(::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return errno_error("open " + path + "/lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error("lock " + path);
    return make_error("data_in_use", "another vibed runs on data folder " + path +
                                         "; stop it or choose another folder with --data");
  }
  if (Status known = check_format(path); !known) return std::move(known).error();

  DataFolder folder(path, std::move(lock));
  for (const std::string& part : {folder.sources(), folder.spool(), folder.cache(), folder.run()}) {
    unsigned mode = part == folder.sources() || part == folder.spool() ? 0700 : 0711;
    if (Status made = make_directories(part, mode); !made) return std::move(made).error();
  }
  return folder;
}

}  // namespace vibed
