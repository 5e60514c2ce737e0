#include "auth/network.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace vibed::auth {
namespace {

constexpr int kMappedBits = 96;  // of ::ffff:0:0/96, which is IPv4

std::optional<int> parse_bits(std::string_view text, int most) {
  int bits = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  bool good = error == std::errc() && end == text.data() + text.size() && bits >= 0 && bits <= most;
  return good ? std::optional(bits) : std::nullopt;
}

}  // namespace

std::optional<IpAddress> parse_ip(const std::string& text) {
  IpAddress address{};
  if (::inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  address[10] = address[11] = 0xff;
  if (::inet_pton(AF_INET, text.c_str(), address.data() + 12) == 1) return address;
  return std::nullopt;
}

std::optional<IpAddress> parse_peer(std::string_view peer) {
  std::size_t colon = peer.rfind(':');
  if (colon == peer.npos) return std::nullopt;
  std::string_view host = peer.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return parse_ip(std::string(host.substr(0, host.find('%'))));
}

bool Network::contains(const IpAddress& other) const {
  auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(address.begin(), address.begin() + bits / 8, other.begin())) return false;
  if (bits % 8 == 0) return true;
  int dropped = 8 - bits % 8;
  return address[whole] >> dropped == other[whole] >> dropped;
}

std::optional<Network> parse_network(std::string_view text) {
  std::size_t slash = text.find('/');
  std::string host(text.substr(0, slash));
  auto address = parse_ip(host);
  if (!address) return std::nullopt;
  if (slash == text.npos) return Network{*address, 128};
  bool four = host.find(':') == host.npos;
  auto bits = parse_bits(text.substr(slash + 1), four ? 128 - kMappedBits : 128);
  if (!bits) return std::nullopt;
  return Network{*address, four ? *bits + kMappedBits : *bits};
}

}  // namespace vibed::auth
