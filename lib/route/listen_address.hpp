// Where the front door listens: "127.0.0.1:18080", "[::1]:0", "0.0.0.0:80".
#pragma once

#include <string>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed::route {

struct ListenAddress {
  std::string host;  // "127.0.0.1", "::1"
  int port = 0;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

Result<ListenAddress> parse_listen(std::string_view text);  // a missing host is 127.0.0.1
std::string to_string(const ListenAddress& address);

// `address` with a port nobody listens on: its own, or any free one for 0. `already_exists` when
// its own is taken. Somebody else may take it before Caddy does; then Caddy says so.
Result<ListenAddress> claim_port(ListenAddress address);

}  // namespace vibed::route
