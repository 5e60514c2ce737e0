// Which TCP ports are listened on in this network namespace, and which of them is the app's.
#pragma once

#include <compare>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vibed::agent {

struct Listener {
  std::string address;  // "127.0.0.1", "0.0.0.0", "::1", "::"
  int port = 0;

  // The address to connect to: loopback for the ones that mean "any".
  std::string dial_address() const;

  friend auto operator<=>(const Listener&, const Listener&) = default;
};

// The listening sockets in the text of /proc/net/tcp or /proc/net/tcp6. Pure. They come before all
// others there, so a text that was cut off after them is as good as a whole one.
std::vector<Listener> parse_listeners(std::string_view text);

// The app's listener out of `found`: on `wanted_port` if there is one, else on the lowest port;
// IPv4 before IPv6 on equal ports. Those in `not_its` existed before the app.
std::optional<Listener> choose_listener(const std::vector<Listener>& found, int wanted_port,
                                        const std::set<Listener>& not_its);

// Both files read and parsed.
std::vector<Listener> read_listeners();

}  // namespace vibed::agent
