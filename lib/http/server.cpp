#include "http/server.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
// Asio itself, compiled here and only here (BOOST_ASIO_SEPARATE_COMPILATION).
#include <boost/asio/impl/src.hpp>
#include <cerrno>
#include <exception>
#include <set>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "http/connection.hpp"
#include "http/listener.hpp"
#include "http/worker_pool.hpp"

namespace vibed::http {
namespace {

constexpr std::chrono::milliseconds kAcceptPause(50);

class RunningServer final : public Server {
 public:
  RunningServer(Listener listener, Fd stopping_fd, Router router, ServerOptions options);
  ~RunningServer() override;
  std::string address() const override { return listener_.address(); }
  void stop() override;

 private:
  static net::awaitable<void> accept_loop(RunningServer* self);
  bool accept_one();
  void adopt(Fd accepted);
  void ended(const std::shared_ptr<Connection>& connection);
  void begin_stop();

  Listener listener_;
  Fd stopping_fd_;
  // Before io_: it is destroyed after what is left of the coroutines. Its threads are done by then.
  std::unique_ptr<WorkerPool> workers_;
  net::io_context io_{1};
  ServerContext context_;
  // The rest is the io thread's.
  net::posix::stream_descriptor acceptor_{io_};  // waits on listener_'s descriptor
  net::steady_timer pause_{io_};                 // of the accept loop
  net::steady_timer drain_{io_};
  std::set<std::shared_ptr<Connection>> connections_;
  bool stopping_ = false;
  net::executor_work_guard<net::io_context::executor_type> guard_{io_.get_executor()};
  std::thread thread_;
};

RunningServer::RunningServer(Listener listener, Fd stopping_fd, Router router,
                             ServerOptions options)
    : listener_(std::move(listener)),
      stopping_fd_(std::move(stopping_fd)),
      workers_(std::make_unique<WorkerPool>(options.max_workers)),
      context_{std::move(router), std::move(options), io_, *workers_, stopping_fd_.get()} {
  acceptor_.assign(listener_.fd());
  net::co_spawn(io_, accept_loop(this), net::detached);
  thread_ = std::thread([this] { io_.run(); });
}

RunningServer::~RunningServer() {
  stop();
  thread_.join();
  // The descriptor is the listener's to close.
  acceptor_.release();
}

void RunningServer::stop() {
  if (context_.stop.request_stop()) net::post(io_, [this] { begin_stop(); });
}

void RunningServer::begin_stop() {
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(stopping_fd_.get(), &one, sizeof one);
  stopping_ = true;
  acceptor_.cancel();
  pause_.cancel();
  for (const auto& connection : connections_) connection->stop();
  if (!connections_.empty()) {
    drain_.expires_after(context_.options.drain);
    drain_.async_wait([this](ErrorFlag cancelled) {
      if (cancelled) return;
      for (const auto& connection : connections_) connection->cut_off();
    });
  }
  guard_.reset();
}

// `self` outlives the loop: its destructor waits for the io thread.
net::awaitable<void> RunningServer::accept_loop(RunningServer* self) {
  ErrorFlag error;
  while (!self->stopping_) {
    bool full = self->connections_.size() >= self->context_.options.max_connections;
    if (full) {
      // ended() wakes it.
      self->pause_.expires_at(net::steady_timer::time_point::max());
      co_await self->pause_.async_wait(into(error));
      continue;
    }
    co_await self->acceptor_.async_wait(net::posix::stream_descriptor::wait_read, into(error));
    if (self->stopping_ || self->accept_one()) continue;
    // Out of descriptors, most likely: a bare retry would spin.
    self->pause_.expires_after(kAcceptPause);
    co_await self->pause_.async_wait(into(error));
  }
}

// False: wait a moment before the next.
bool RunningServer::accept_one() {
  Fd accepted(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted) return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
  adopt(std::move(accepted));
  return true;
}

void RunningServer::adopt(Fd accepted) {
  int on = 1;
  int family = listener_.family();
  if (family != AF_UNIX) {
    ::setsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  std::string peer = peer_name(accepted.get());
  std::string local = local_name(accepted.get());
  Socket socket(io_);
  ErrorFlag error;
  socket.assign(net::generic::stream_protocol(family, 0), accepted.get(), error);
  if (error) return;
  accepted.release();
  auto connection =
      std::make_shared<Connection>(context_, std::move(socket), std::move(peer), std::move(local));
  connections_.insert(connection);
  auto on_end = [this, connection](std::exception_ptr failure) {
    if (failure) log::error("a connection failed");
    ended(connection);
  };
  net::co_spawn(io_, Connection::serve(connection), std::move(on_end));
}

void RunningServer::ended(const std::shared_ptr<Connection>& connection) {
  connections_.erase(connection);
  if (connections_.size() + 1 == context_.options.max_connections) pause_.cancel();
  if (stopping_ && connections_.empty()) drain_.cancel();
}

}  // namespace

Result<std::unique_ptr<Server>> start_server(const std::string& address, Router router,
                                             ServerOptions options) {
  auto listener = Listener::open(address);
  if (!listener) return std::move(listener).error();
  Fd stopping(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stopping) return errno_error("make an eventfd");
  try {
    return std::unique_ptr<Server>(std::make_unique<RunningServer>(
        *std::move(listener), std::move(stopping), std::move(router), std::move(options)));
  } catch (const std::exception& e) {
    return Error{Errc::unavailable, std::string("start a server: ") + e.what()};
  }
}

}  // namespace vibed::http
