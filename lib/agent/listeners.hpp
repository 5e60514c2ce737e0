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

// The listening sockets in the text of /proc/net/tcp or /proc/net/tcp6. Pure. Linux lists them
// before all connections; gVisor, whose files are the ones that are read, anywhere among them.
std::vector<Listener> parse_listeners(std::string_view text);

// The app's listener out of `found`: on `wanted_port` if there is one, else on the lowest port;
// IPv4 before IPv6 on equal ports. Those in `not_its` existed before the app.
std::optional<Listener> choose_listener(const std::vector<Listener>& found, int wanted_port,
                                        const std::set<Listener>& not_its);

// The listening sockets of this network namespace, asked for by sock_diag(7), which costs some tens
// of microseconds. /proc/net/tcp would cost several milliseconds on a machine with much memory: it
// goes through the table of all connections of all namespaces, whose size grows with the memory.
// Kernels that do not answer it (gVisor's) are read from those files all the same.
std::vector<Listener> read_listeners();

// The two ways. The first gives nothing where the kernel does not answer.
std::optional<std::vector<Listener>> ask_for_listeners();
std::vector<Listener> read_listener_files();

}  // namespace vibed::agent
