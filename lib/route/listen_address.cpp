#include "route/listen_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>

#include "base/error_codes.hpp"
#include "base/fd.hpp"

namespace vibed::route {
namespace {

Error not_an_address(std::string_view text) {
  return {Errc::invalid_argument,
          "not an address to listen on: '" + std::string(text) + "' (like 127.0.0.1:18080)"};
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress socket_address(const ListenAddress& address) {
  SocketAddress result;
  if (address.host.find(':') != std::string::npos) {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(static_cast<std::uint16_t>(address.port));
    ::inet_pton(AF_INET6, address.host.c_str(), &six.sin6_addr);
    std::memcpy(&result.storage, &six, sizeof six);
    result.size = sizeof six;
  } else {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(static_cast<std::uint16_t>(address.port));
    ::inet_pton(AF_INET, address.host.c_str(), &four.sin_addr);
    std::memcpy(&result.storage, &four, sizeof four);
    result.size = sizeof four;
  }
  return result;
}

bool is_ip(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

Result<ListenAddress> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return not_an_address(text);
  std::string host(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost" || host.empty()) host = "127.0.0.1";
  int port = -1;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!whole || port < 0 || port > 65535 || !is_ip(host)) return not_an_address(text);
  return ListenAddress{std::move(host), port};
}

std::string to_string(const ListenAddress& address) {
  const bool six = address.host.find(':') != std::string::npos;
  return (six ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Result<ListenAddress> claim_port(ListenAddress address) {
  SocketAddress wanted = socket_address(address);
  const Fd fd(::socket(wanted.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  // As Caddy does, so that connections of a just ended one do not count; a listener still does.
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* raw = reinterpret_cast<sockaddr*>(&wanted.storage);
  if (!fd || ::bind(fd.get(), raw, wanted.size) != 0 || ::listen(fd.get(), 1) != 0) {
    const int number = errno;
    if (number == EADDRINUSE) {
      return make_error("address_in_use", "port " + std::to_string(address.port) + " of " +
                                              address.host + " is taken by another program");
    }
    return errno_error("listen on " + to_string(address), number);
  }
  ::getsockname(fd.get(), raw, &wanted.size);
  // The port is at the same place in both families.
  address.port = ntohs(reinterpret_cast<sockaddr_in*>(&wanted.storage)->sin_port);
  return address;
}

}  // namespace vibed::route
