// Relay: connections to one socket are carried on to the app's port, or answered with 503.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "vibed/result.hpp"

namespace vibed {

// What a relay does with a new connection: carries it to `address` if that is set, else answers 503
// with `reason` and `message`.
struct RelayTarget {
  sockaddr_storage address{};
  socklen_t address_size = 0;  // 0: there is none
  std::string reason;          // "starting", a word for programs
  std::string message;         // for a person
  int retry_after = 1;         // seconds
};

struct RelayOptions {
  std::size_t max_connections = 4096;  // more wait in the accept queue
  // The 503 that is sent reads and throws away what the client still sends, so that it is not cut
  // off by a reset; this much of it at most.
  std::uint64_t max_discarded_bytes = 256ULL * 1024 * 1024;
  std::chrono::seconds discard_time{30};
  // Of a connection whose app has said all it had to say, while the client says nothing.
  std::chrono::seconds linger_time{60};
  // Called on the relay's thread when the app refused a connection (which then gets a 503). Quick.
  std::function<void()> on_refused = {};
};

// A running relay on a thread of its own; ends its connections in its destructor. All methods may
// be called from any thread.
//
// It copies nothing (splice) and knows nothing of HTTP except for the 503. Each side's end of
// sending is passed on while the other direction goes on. A connection at rest costs two
// descriptors.
class Relay {
 public:
  virtual ~Relay() = default;

  // Where connections go from now on; open ones stay where they are.
  virtual void set_target(const RelayTarget& target) = 0;

  // Takes what waits in the accept queue, then closes the listener for good, so that nobody who
  // connected is lost and nobody connects any more. Returns how many connections are open.
  // Idempotent.
  virtual std::size_t drain() = 0;

  virtual std::size_t connections() const = 0;
};

// A relay that accepts on the listening socket `listener`, unix or TCP. Starts without a target.
Result<std::unique_ptr<Relay>> start_relay(Fd listener, RelayOptions options = {});

// The target for a numeric IPv4 or IPv6 address, e.g. ("127.0.0.1", 8080); invalid_argument.
Result<RelayTarget> relay_target(const std::string& address, int port);

}  // namespace vibed
