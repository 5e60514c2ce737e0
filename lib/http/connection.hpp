// One connection of the server: the coroutine that reads requests and sends answers. Seen by
// server.cpp only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "http/request_parser.hpp"
#include "http/router.hpp"
#include "http/server.hpp"
#include "http/wire.hpp"
#include "http/worker_pool.hpp"

namespace vibed::http {

namespace net = boost::asio;
using Socket = net::basic_stream_socket<net::generic::stream_protocol>;
using ErrorFlag = boost::system::error_code;

// Await with this to receive a failure in `error` instead of as an exception.
inline auto into(ErrorFlag& error) { return net::redirect_error(net::use_awaitable, error); }

// What all connections of a server share. Outlives them. Everything but `workers` and `stop` is
// used on the io thread or does not change.
struct ServerContext {
  Router router;
  ServerOptions options;
  net::io_context& io;
  WorkerPool& workers;
  int stopping_fd = -1;  // readable once the server stops
  std::stop_source stop = {};
};

// Lives on the io thread, except that a worker may write to the socket while it streams.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerContext& server, Socket accepted, std::string peer, std::string local);

  // Serves until either side is done. `self` keeps the connection alive.
  static net::awaitable<void> serve(std::shared_ptr<Connection> self);

  // The server stops: closed now if it is idle, after the answer if it is not.
  void stop();
  // Whatever goes on, it ends now.
  void cut_off();

 private:
  struct Exchange;
  using SharedConnection = std::shared_ptr<Connection>;
  using SharedExchange = std::shared_ptr<Exchange>;

  // None of these outlives `self`, which their callers hold.
  static net::awaitable<bool> serve_one(SharedConnection self);
  static net::awaitable<bool> wait_for_request(SharedConnection self);
  static net::awaitable<void> read_head(SharedConnection self, SharedExchange exchange);
  static net::awaitable<void> read_body(SharedConnection self, SharedExchange exchange);
  static net::awaitable<void> run_handler(SharedConnection self, SharedExchange exchange);
  static net::awaitable<void> answer(SharedConnection self, SharedExchange exchange);
  static net::awaitable<bool> fill(SharedConnection self, std::size_t size);
  static net::awaitable<bool> send(SharedConnection self, std::shared_ptr<std::string> bytes);
  static net::awaitable<void> linger(SharedConnection self);

  std::string head_of(const Response& response, const WireOptions& options) const;
  void accept_head(Exchange& exchange, Head head);
  void work(Exchange& exchange);
  void stream(Exchange& exchange);
  void arm(std::chrono::milliseconds limit);
  void disarm();
  void watch(unsigned round);

  ServerContext& server_;
  Socket socket_;
  net::steady_timer deadline_;
  RequestParser parser_;
  std::string peer_;
  std::string local_;
  unsigned round_ = 0;      // of arm(): an expiry of an earlier one means nothing
  bool timed_out_ = false;  // the last operation was ended by the deadline
  bool idle_ = true;        // between two requests
  bool stopping_ = false;
};

}  // namespace vibed::http
