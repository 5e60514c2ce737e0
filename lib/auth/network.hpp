// Network: a range of IP addresses, as "10.0.0.0/8" or "fd00::/8" names one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vibed::auth {

// 16 bytes whatever the family: an IPv4 address is the IPv6 address ::ffff:a.b.c.d, which is also
// how it shows on a socket that takes both.
using IpAddress = std::array<std::uint8_t, 16>;

// "192.0.2.7" or "2001:db8::7", without a port or brackets.
std::optional<IpAddress> parse_ip(const std::string& text);

// The address of "192.0.2.7:4711" or "[2001:db8::7]:4711", as Request::peer has it; nothing for
// others ("unix").
std::optional<IpAddress> parse_peer(std::string_view peer);

struct Network {
  IpAddress address = {};
  int bits = 128;  // of `address` that count

  bool contains(const IpAddress& other) const;
};

// "10.0.0.0/8", or an address alone, which is a network of one.
std::optional<Network> parse_network(std::string_view text);

}  // namespace vibed::auth
