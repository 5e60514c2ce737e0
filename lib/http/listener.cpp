#include "http/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/error_codes.hpp"

namespace vibed::http {
namespace {

constexpr int kBacklog = 1024;

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;
};

Error bad_address(const std::string& text) {
  return {Errc::invalid_argument, "not an address to listen on: " + text};
}

std::string name_of(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address.storage, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(v4.sin_port));
  }
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address.storage, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(v6.sin6_port));
  }
  return "unix";
}

// "127.0.0.1:80", "[::1]:80", "localhost:80", ":80" (every address).
std::optional<Address> parse_tcp(const std::string& text) {
  std::size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  std::string host = text.substr(0, colon);
  std::uint16_t port = 0;
  const char* last = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data() + colon + 1, last, port);
  if (error != std::errc() || end != last) return std::nullopt;
  if (host.empty()) host = "[::]";
  if (host == "localhost") host = "127.0.0.1";

  Address address;
  if (host.front() == '[' && host.back() == ']') {
    sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) != 1) {
      return std::nullopt;
    }
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.size = sizeof v6;
  } else {
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) return std::nullopt;
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.size = sizeof v4;
  }
  return address;
}

Result<Fd> listen_tcp(const std::string& text) {
  auto address = parse_tcp(text);
  if (!address) return bad_address(text);
  Fd fd(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int on = 1;
  int off = 0;
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return errno_error("listen on " + text);
  }
  // ":80" means IPv4 too. Fails for an IPv4 socket, which is fine.
  if (text.front() == ':') ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address->storage), address->size) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    if (errno == EADDRINUSE) {
      return Error{Errc::already_exists, "listen on " + text + ": address already in use"};
    }
    return errno_error("listen on " + text);
  }
  return fd;
}

Result<Fd> listen_unix(const std::string& path) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof name.sun_path) {
    return make_error("path_too_long", "a unix socket's path may have 107 bytes: " + path);
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  struct stat old;
  if (::lstat(path.c_str(), &old) == 0) {
    if (!S_ISSOCK(old.st_mode)) return Error{Errc::already_exists, path + " is not a socket"};
    ::unlink(path.c_str());
  }
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // The file gets the socket's mode, so there is no moment in which others could connect.
  if (!fd || ::fchmod(fd.get(), 0600) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return errno_error("listen on " + path);
  }
  return fd;
}

Result<Fd> adopt(const std::string& number) {
  int fd = -1;
  const char* last = number.data() + number.size();
  auto [end, error] = std::from_chars(number.data(), last, fd);
  int listening = 0;
  socklen_t size = sizeof listening;
  if (error != std::errc() || end != last || fd < 0 ||
      ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
    return Error{Errc::invalid_argument, "not a listening socket: fd:" + number};
  }
  int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return errno_error("take over fd:" + number);
  }
  return Fd(fd);
}

Address local_address(int fd) {
  Address address;
  address.size = sizeof address.storage;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  return address;
}

}  // namespace

std::string local_name(int fd) { return name_of(local_address(fd)); }

std::string peer_name(int fd) {
  Address address;
  address.size = sizeof address.storage;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) {
    return "unknown";
  }
  return name_of(address);
}

Result<Listener> Listener::open(const std::string& address) {
  bool is_unix = address.starts_with("unix:");
  bool inherited = address.starts_with("fd:");
  auto fd = is_unix     ? listen_unix(address.substr(5))
            : inherited ? adopt(address.substr(3))
                        : listen_tcp(address);
  // A machine without IPv6.
  if (!fd && address.starts_with(':')) fd = listen_tcp("0.0.0.0" + address);
  if (!fd) return std::move(fd).error();
  Address local = local_address(fd->get());
  bool tcp = local.storage.ss_family != AF_UNIX;
  Listener listener(*std::move(fd), local.storage.ss_family, tcp ? name_of(local) : address);
  struct stat made;
  if (is_unix && ::lstat(address.c_str() + 5, &made) == 0) {
    listener.path_ = address.substr(5);
    listener.inode_ = made.st_ino;
  }
  return listener;
}

Listener::Listener(Fd fd, int family, std::string address)
    : fd_(std::move(fd)), family_(family), address_(std::move(address)) {}

Listener::~Listener() {
  struct stat now;
  if (!fd_ || path_.empty() || ::lstat(path_.c_str(), &now) != 0) return;
  if (now.st_ino == inode_) ::unlink(path_.c_str());
}

}  // namespace vibed::http
