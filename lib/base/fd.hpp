// Fd owns a file descriptor.
#pragma once

#include <string>
#include <utility>

#include "vibed/result.hpp"

namespace vibed {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// An error for the current errno: "open /x: no such file or directory". ENOSPC and EDQUOT get the
// reason storage_full, ENOENT is `not_found`, EACCES and EPERM `permission_denied`, EEXIST
// `already_exists`.
Error errno_error(const std::string& what, int number);
Error errno_error(const std::string& what);  // of errno

}  // namespace vibed
