// Server: HTTP/1.1 on TCP or unix sockets. Coroutines inside, plain blocking handlers outside.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/router.hpp"
#include "vibed/result.hpp"

namespace vibed::http {

struct ServerOptions {
  std::chrono::seconds head_timeout{10};   // to receive a whole request head
  std::chrono::seconds body_timeout{30};   // without one more byte of the body
  std::chrono::seconds idle_timeout{120};  // between two requests
  std::size_t max_head_bytes = 64 * 1024;  // past it: 431
  std::size_t max_connections = 1024;
  std::size_t max_workers = 256;         // handler threads; made on demand, end when idle for 10 s
  std::string spool_directory = "/tmp";  // of BodyMode::spool
  std::chrono::seconds drain{5};         // after stop(): what still reads or writes is cut off then
  Fields response_headers = {};          // added to every response that does not set them itself
  // Called before routing, on the io thread, must not block: an answer here ends the request and
  // closes the connection before its body is read. For Host and Origin checks.
  std::function<std::unique_ptr<Response>(const Request&)> guard = {};
  // Called after each response, for metrics: method, route pattern ("" if none), status, seconds.
  std::function<void(const std::string&, const std::string&, int, double)> observe = {};
};

// A running server; stops in its destructor: no new connections, idle ones are closed, running
// handlers finish. From stop() on Request::stop is requested and writers report closed; what is
// still being sent has `drain`.
class Server {
 public:
  virtual ~Server() = default;
  // "127.0.0.1:43121" or "unix:/path", of the first listener.
  virtual std::string address() const = 0;
  // Stops accepting; open requests may finish. Idempotent.
  virtual void stop() = 0;
};

// Where to listen: "127.0.0.1:0", "[::1]:8080", "unix:/path" (mode 0600, an old socket file is
// replaced), or an already listening inherited descriptor "fd:7", which the server closes in the
// end.
Result<std::unique_ptr<Server>> start_server(const std::string& address, Router router,
                                             ServerOptions options = {});

}  // namespace vibed::http
