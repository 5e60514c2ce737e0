#include "support/surroundings.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>

namespace vibed::testing {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string cache_folder() {
  if (auto own = variable("VIBED_CACHE"); !own.empty()) return own;
  if (auto all = variable("XDG_CACHE_HOME"); !all.empty()) return all + "/vibed";
  return variable("HOME") + "/.cache/vibed";
}

Bound bind_to_loopback() {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) std::abort();
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
  return {std::move(fd), ntohs(address.sin_port)};
}

int free_port() { return bind_to_loopback().port; }

}  // namespace vibed::testing
