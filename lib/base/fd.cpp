#include "base/fd.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error_codes.hpp"

namespace vibed {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Error errno_error(const std::string& what, int number) {
  char buffer[128];
  const char* text = strerror_r(number, buffer, sizeof buffer);
  std::string message = what + ": " + text;
  switch (number) {
    case ENOSPC:
    case EDQUOT: return make_error("storage_full", message);
    case ENOENT: return {Errc::not_found, message};
    case EEXIST: return {Errc::already_exists, message};
    case EACCES:
    case EPERM: return {Errc::permission_denied, message};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: return {Errc::resource_exhausted, message};
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE: return {Errc::unavailable, message};
    default: return {Errc::internal, message};
  }
}

Error errno_error(const std::string& what) { return errno_error(what, errno); }

}  // namespace vibed
