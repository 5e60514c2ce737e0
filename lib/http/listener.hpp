// Sockets that listen, made from an address text.
#pragma once

#include <string>

#include "base/fd.hpp"
#include "vibed/result.hpp"

namespace vibed::http {

// A listening, non-blocking, close-on-exec socket. Its file, if it is a unix socket that was made
// here, goes with it, unless somebody else has put another in its place.
class Listener {
 public:
  // See start_server for the forms of `address`.
  static Result<Listener> open(const std::string& address);
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = default;
  ~Listener();

  int fd() const { return fd_.get(); }
  int family() const { return family_; }
  const std::string& address() const { return address_; }  // the port filled in

 private:
  Listener(Fd fd, int family, std::string address);

  Fd fd_;
  int family_;
  std::string address_;
  std::string path_;  // of a unix socket made here
  unsigned long inode_ = 0;
};

// "127.0.0.1:4711", "[::1]:4711" or "unix": the other end of the connection.
std::string peer_name(int fd);
// The same of this end.
std::string local_name(int fd);

}  // namespace vibed::http
