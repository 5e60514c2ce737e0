// g++ 12 miscompiles much of what can be written with co_await. The rules of CONTRIBUTING.md hold
// here: a co_await stands alone, its arguments are names or calls, coroutines take values.
#include "http/connection.hpp"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "base/error_codes.hpp"
#include "base/log.hpp"
#include "http/socket_writer.hpp"
#include "http/spool.hpp"
#include "http/target.hpp"
#include "http/wire.hpp"

namespace vibed::http {
namespace {

constexpr std::size_t kHeadRead = 4 * 1024;
constexpr std::size_t kBodyRead = 64 * 1024;
// What is still read of a request that was answered early, so that the client gets to read the
// answer instead of a reset.
constexpr std::size_t kLingerBytes = 64 * 1024 * 1024;
constexpr std::chrono::seconds kLingerTime(10);

Response method_not_allowed(const Router::Match& match) {
  std::string methods;
  for (const auto& method : match.allowed) methods += (methods.empty() ? "" : ", ") + method;
  auto response = error_response(make_error("method_not_allowed", "this path has: " + methods));
  response.headers.set("Allow", methods);
  return response;
}

}  // namespace

// One request and its answer.
struct Connection::Exchange {
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  Head head;
  Request request;
  Router::Match match;
  std::optional<Response> response;  // set: nothing more is read, this is the answer
  std::optional<BodyKeeper> body;
  bool keep_alive = false;
  bool body_pending = false;  // part of the body may still arrive
  bool gone = false;          // the client: there is nobody to answer
  bool streamed = false;      // the response has been sent by a worker

  void refuse(const Error& error) {
    response = error_response(error);
    keep_alive = false;
  }
};

Connection::Connection(ServerContext& server, Socket accepted, std::string peer, std::string local)
    : server_(server),
      socket_(std::move(accepted)),
      deadline_(server.io),
      parser_(server.options.max_head_bytes),
      peer_(std::move(peer)),
      local_(std::move(local)) {}

std::string Connection::head_of(const Response& response, const WireOptions& options) const {
  return response_head(response, server_.options.response_headers, options);
}

void Connection::stop() {
  stopping_ = true;
  ErrorFlag ignored;
  if (idle_) socket_.cancel(ignored);
}

void Connection::cut_off() { ::shutdown(socket_.native_handle(), SHUT_RDWR); }

void Connection::arm(std::chrono::milliseconds limit) {
  timed_out_ = false;
  deadline_.expires_after(limit);
  watch(++round_);
}

void Connection::disarm() {
  ++round_;
  deadline_.cancel();
}

// An expiry may be under way already when the connection ends, hence weak.
void Connection::watch(unsigned round) {
  deadline_.async_wait([weak = weak_from_this(), round](ErrorFlag cancelled) {
    auto self = weak.lock();
    if (cancelled || !self || round != self->round_) return;
    self->timed_out_ = true;
    ErrorFlag ignored;
    self->socket_.cancel(ignored);
  });
}

net::awaitable<void> Connection::serve(std::shared_ptr<Connection> self) {
  bool more = true;
  while (more) {
    more = co_await serve_one(self);
  }
  self->disarm();
  ErrorFlag ignored;
  self->socket_.close(ignored);
}

net::awaitable<bool> Connection::serve_one(SharedConnection self) {
  bool more = co_await wait_for_request(self);
  if (!more) co_return false;
  auto exchange = std::make_shared<Exchange>();
  co_await read_head(self, exchange);
  if (!exchange->response && !exchange->gone && exchange->body && exchange->body_pending) {
    co_await read_body(self, exchange);
  }
  if (exchange->gone) co_return false;
  if (!exchange->response) {
    co_await run_handler(self, exchange);
  }
  if (!exchange->streamed) {
    co_await answer(self, exchange);
  }
  if (self->server_.options.observe) {
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - exchange->start;
    self->server_.options.observe(exchange->request.method, exchange->match.pattern,
                                  exchange->response->status, took.count());
  }
  if (!exchange->keep_alive && exchange->body_pending) {
    co_await linger(self);
  }
  co_return exchange->keep_alive;
}

// An idle connection holds no buffer: it waits for bytes before it makes room for them.
net::awaitable<bool> Connection::wait_for_request(SharedConnection self) {
  if (self->stopping_) co_return false;
  if (!self->parser_.empty()) co_return true;
  ErrorFlag error;
  self->idle_ = true;
  self->arm(self->server_.options.idle_timeout);
  co_await self->socket_.async_wait(Socket::wait_read, into(error));
  self->disarm();
  self->idle_ = false;
  co_return !error;
}

// Reads what has arrived, at most about `size`. False: end, failure or deadline.
net::awaitable<bool> Connection::fill(SharedConnection self, std::size_t size) {
  ErrorFlag error;
  auto room = self->parser_.prepare(size);
  auto buffer = net::buffer(room.data(), room.size());
  std::size_t count = co_await self->socket_.async_read_some(buffer, into(error));
  self->parser_.commit(count);
  co_return !error;
}

net::awaitable<void> Connection::read_head(SharedConnection self, SharedExchange exchange) {
  self->arm(self->server_.options.head_timeout);
  bool open = true;
  while (open) {
    auto head = self->parser_.take_head();
    if (!head) {
      exchange->refuse(head.error());
      exchange->body_pending = true;  // whatever follows is not a request of ours
      break;
    }
    if (*head) {
      self->accept_head(*exchange, **std::move(head));
      break;
    }
    open = co_await fill(self, kHeadRead);
  }
  self->disarm();
  if (open) co_return;
  exchange->gone = !self->timed_out_ || self->parser_.empty();
  if (!exchange->gone) exchange->refuse(make_error("request_timeout", "the head came too slowly"));
}

// Decides, from the head alone, whether the body is wanted.
void Connection::accept_head(Exchange& exchange, Head head) {
  Request& request = exchange.request;
  exchange.head = std::move(head);
  exchange.keep_alive = exchange.head.framing.keep_alive && !stopping_;
  exchange.body_pending = exchange.head.has_body();
  request.method = exchange.head.method;
  request.target = exchange.head.target;
  request.headers = std::move(exchange.head.fields);
  request.peer = peer_;
  request.local = local_;
  request.stop = server_.stop.get_token();

  auto target = parse_target(request.method, request.target);
  if (!target) return exchange.refuse(target.error());
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  if (target->authority) request.headers.set("Host", *target->authority);

  auto refusal = server_.options.guard ? server_.options.guard(request) : nullptr;
  if (refusal) {
    exchange.response = std::move(*refusal);
    exchange.keep_alive = false;
    return;
  }
  exchange.match = server_.router.find(request.method, request.path);
  request.parameters = exchange.match.parameters;
  if (exchange.match.handler == nullptr) {
    exchange.keep_alive = exchange.keep_alive && !exchange.body_pending;
    exchange.response = exchange.match.allowed.empty()
                            ? error_response(make_error("not_found", "no such path"))
                            : method_not_allowed(exchange.match);
    return;
  }
  if (exchange.match.options.body == BodyMode::discard) {
    exchange.keep_alive = exchange.keep_alive && !exchange.body_pending;
    return;
  }
  std::uint64_t limit = exchange.match.options.max_body_bytes;
  if (exchange.head.framing.content_length.value_or(0) > limit) {
    return exchange.refuse(too_large(limit));
  }
  auto body = BodyKeeper::open(exchange.match.options, server_.options.spool_directory);
  if (!body) return exchange.refuse(body.error());
  exchange.body = *std::move(body);
  if (!exchange.body_pending) exchange.body->finish(request);
}

net::awaitable<void> Connection::read_body(SharedConnection self, SharedExchange exchange) {
  if (exchange->head.framing.expect_continue && self->parser_.empty()) {
    auto proceed = std::make_shared<std::string>("HTTP/1.1 100 Continue\r\n\r\n");
    bool sent = co_await send(self, proceed);
    exchange->gone = !sent;
    if (!sent) co_return;
  }
  auto keep = [exchange](std::string_view bytes) { return exchange->body->append(bytes); };
  while (true) {
    auto done = self->parser_.take_body(keep);
    if (!done) {
      exchange->refuse(done.error());
      co_return;
    }
    if (*done) break;
    self->arm(self->server_.options.body_timeout);
    bool open = co_await fill(self, kBodyRead);
    self->disarm();
    if (!open && self->timed_out_) {
      exchange->refuse(make_error("request_timeout", "the body came too slowly"));
      co_return;
    }
    exchange->gone = !open;
    if (!open) co_return;
  }
  exchange->body_pending = false;
  exchange->body->finish(exchange->request);
}

// Runs the handler on a worker; the timer, which never expires, is how the worker wakes us.
net::awaitable<void> Connection::run_handler(SharedConnection self, SharedExchange exchange) {
  auto done =
      std::make_shared<net::steady_timer>(self->server_.io, net::steady_timer::time_point::max());
  auto job = [self, exchange, done]() mutable {
    self->work(*exchange);
    // All that the job holds goes to the io thread, and is let go there.
    auto& io = self->server_.io;
    net::post(io, [self = std::move(self), exchange = std::move(exchange), done = std::move(done)] {
      done->cancel();
    });
  };
  if (!self->server_.workers.post(std::move(job))) {
    exchange->refuse({Errc::unavailable, "no thread can be started to answer this"});
    co_return;
  }
  ErrorFlag ignored;
  co_await done->async_wait(into(ignored));
}

// On a worker. The request, with its file, ends here.
void Connection::work(Exchange& exchange) {
  try {
    exchange.response = (*exchange.match.handler)(exchange.request);
    std::string method = std::move(exchange.request.method);
    exchange.request = {};
    exchange.request.method = std::move(method);
    if (exchange.response->stream && exchange.request.method != "HEAD") stream(exchange);
  } catch (const std::exception& e) {
    log::error("a handler failed", {{"path", exchange.match.pattern}, {"error", e.what()}});
    exchange.keep_alive = false;
    if (!exchange.streamed) {
      exchange.response = error_response({Errc::internal, "an internal error"});
    }
  }
}

void Connection::stream(Exchange& exchange) {
  Response& response = *exchange.response;
  bool chunked = exchange.head.minor == 1 && !response.stream_length;
  exchange.keep_alive = exchange.keep_alive && (chunked || response.stream_length);
  SocketWriter::Options options;
  options.socket = socket_.native_handle();
  options.stopping_fd = server_.stopping_fd;
  options.chunked = chunked;
  options.drain = server_.options.drain;
  SocketWriter writer(options);
  exchange.streamed = true;
  WireOptions wire{exchange.keep_alive, chunked, response.stream_length};
  bool ok = writer.send(head_of(response, wire));
  if (ok) response.stream(writer);
  ok = ok && writer.finish();
  if (response.stream_length && writer.written() != *response.stream_length) ok = false;
  exchange.keep_alive = exchange.keep_alive && ok;
  response.stream = nullptr;  // what it holds ends on this thread
}

net::awaitable<void> Connection::answer(SharedConnection self, SharedExchange exchange) {
  Response& response = *exchange->response;
  bool head_only = exchange->request.method == "HEAD" || !has_body(response.status);
  WireOptions wire{exchange->keep_alive && !self->stopping_, false, response.body.size()};
  if (response.stream) wire.content_length = response.stream_length;
  if (!has_body(response.status)) wire.content_length.reset();
  exchange->keep_alive = wire.keep_alive;
  auto bytes = std::make_shared<std::string>(self->head_of(response, wire));
  if (!head_only) *bytes += response.body;
  bool sent = co_await send(self, bytes);
  if (sent) co_return;
  exchange->keep_alive = false;
  exchange->body_pending = false;
}

net::awaitable<bool> Connection::send(SharedConnection self, std::shared_ptr<std::string> bytes) {
  std::size_t sent = 0;
  ErrorFlag error;
  while (sent < bytes->size() && !error) {
    self->arm(self->server_.options.body_timeout);
    auto rest = net::buffer(bytes->data() + sent, bytes->size() - sent);
    std::size_t count = co_await self->socket_.async_write_some(rest, into(error));
    sent += count;
  }
  self->disarm();
  co_return !error;
}

// After an early answer: the client may still be sending, and closing now would reset the
// connection before it has read the answer.
net::awaitable<void> Connection::linger(SharedConnection self) {
  ErrorFlag error;
  self->socket_.shutdown(Socket::shutdown_send, error);
  auto scratch = std::make_shared<std::string>(kBodyRead, '\0');
  std::size_t discarded = 0;
  self->arm(kLingerTime);
  while (!error && discarded < kLingerBytes) {
    auto room = net::buffer(scratch->data(), scratch->size());
    std::size_t count = co_await self->socket_.async_read_some(room, into(error));
    discarded += count;
  }
  self->disarm();
}

}  // namespace vibed::http
