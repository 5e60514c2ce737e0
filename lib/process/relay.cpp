#include "process/relay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "process/relay_connection.hpp"

namespace vibed {
namespace {

using Clock = std::chrono::steady_clock;
using Side = RelayConnection::Side;

constexpr int kAcceptsPerTurn = 64;

class EpollRelay final : public Relay {
 public:
  EpollRelay(Fd listener, Fd epoll, Fd wake, RelayOptions options)
      : options_(std::move(options)),
        listener_(std::move(listener)),
        epoll_(std::move(epoll)),
        wake_(std::move(wake)) {
    target_.reason = "starting";
    target_.message = "the app is not running yet";
    watch(wake_.get(), EPOLLIN, &wake_);
    watch(listener_.get(), EPOLLIN, &listener_);
    thread_ = std::thread([this] { loop(); });
  }

  ~EpollRelay() override {
    stopping_ = true;
    poke();
    thread_.join();
  }

  void set_target(const RelayTarget& target) override {
    std::lock_guard lock(mutex_);
    target_ = target;
  }

  std::size_t drain() override {
    std::unique_lock lock(mutex_);
    draining_ = true;
    poke();
    drained_changed_.wait(lock, [this] { return drained_; });
    return count_;
  }

  std::size_t connections() const override { return count_; }

 private:
  struct Entry {
    std::unique_ptr<RelayConnection> connection;
    bool watched_app = false;
  };

  void poke() {
    std::uint64_t one = 1;
    [[maybe_unused]] ssize_t ignored = ::write(wake_.get(), &one, sizeof one);
  }

  void watch(int fd, std::uint32_t events, void* what) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = what;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }

  // The app's side is told from the client's by the pointer's lowest bit, which is always free.
  static void* tagged(RelayConnection* connection, Side side) {
    return reinterpret_cast<char*>(connection) + (side == Side::app ? 1 : 0);
  }

  void loop() {
    // Writing to a closed socket by splice raises SIGPIPE in this thread and nowhere else.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::array<epoll_event, 64> events;
    while (!stopping_) {
      int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), timeout());
      for (int i = 0; i < count; ++i) dispatch(events[static_cast<std::size_t>(i)]);
      serve_ready();
      sweep();
      if (accept_paused_ && open_.size() < options_.max_connections) resume_accepting();
      if (!drain_seen_) look_for_drain();
    }
  }

  int timeout() const {
    if (!ready_.empty()) return 0;
    return timed_.empty() && !accept_paused_ ? -1 : 1000;
  }

  void dispatch(const epoll_event& event) {
    if (event.data.ptr == &wake_) {
      std::uint64_t ignored = 0;
      [[maybe_unused]] ssize_t count = ::read(wake_.get(), &ignored, sizeof ignored);
    } else if (event.data.ptr == &listener_) {
      for (int i = 0; i < kAcceptsPerTurn && accept_one(); ++i) {
      }
    } else {
      auto bits = reinterpret_cast<std::uintptr_t>(event.data.ptr);
      Side side = (bits & 1) != 0 ? Side::app : Side::client;
      auto* connection =
          reinterpret_cast<RelayConnection*>(static_cast<char*>(event.data.ptr) - (bits & 1));
      connection->notice(side, event.events);
      ready_.insert(connection);
    }
  }

  // Connections are removed only here and in sweep(), never while events are being told.
  void serve_ready() {
    std::unordered_set<RelayConnection*> turn;
    turn.swap(ready_);
    auto now = Clock::now();
    for (RelayConnection* connection : turn) serve(connection, now);
  }

  void serve(RelayConnection* connection, Clock::time_point now) {
    auto outcome = connection->pump(now);
    if (connection->take_refusal() && options_.on_refused) options_.on_refused();
    if (outcome == RelayConnection::Outcome::done) return close(connection);
    if (outcome == RelayConnection::Outcome::more) ready_.insert(connection);
    if (connection->deadline()) timed_.insert(connection);
  }

  void close(RelayConnection* connection) {
    timed_.erase(connection);
    ready_.erase(connection);
    open_.erase(connection);
    count_ = open_.size();
  }

  void sweep() {
    if (timed_.empty()) return;
    auto now = Clock::now();
    std::vector<RelayConnection*> late;
    for (RelayConnection* connection : timed_) {
      if (*connection->deadline() <= now) late.push_back(connection);
    }
    for (RelayConnection* connection : late) close(connection);
  }

  // False: there is nobody to accept now.
  bool accept_one() {
    if (!drain_seen_ && open_.size() >= options_.max_connections) return pause_accepting();
    Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) {
      if (errno == ECONNABORTED || errno == EINTR) return true;
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) return pause_accepting();
      return false;
    }
    auto connection = std::make_unique<RelayConnection>(std::move(client), options_, pipes_);
    RelayTarget target;
    {
      std::lock_guard lock(mutex_);
      target = target_;
    }
    bool refused = !connection->connect(target, Clock::now());
    if (refused && options_.on_refused) options_.on_refused();
    add(std::move(connection));
    return true;
  }

  void add(std::unique_ptr<RelayConnection> connection) {
    RelayConnection* raw = connection.get();
    open_[raw] = std::move(connection);
    count_ = open_.size();
    if (raw->deadline()) timed_.insert(raw);
    constexpr std::uint32_t kAll = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    watch(raw->fd(Side::client), kAll, tagged(raw, Side::client));
    if (raw->fd(Side::app) >= 0) watch(raw->fd(Side::app), kAll, tagged(raw, Side::app));
  }

  bool pause_accepting() {
    if (!accept_paused_ && !drain_seen_)
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
    accept_paused_ = true;
    return false;
  }

  void resume_accepting() {
    accept_paused_ = false;
    if (listener_) watch(listener_.get(), EPOLLIN, &listener_);
  }

  void look_for_drain() {
    {
      std::lock_guard lock(mutex_);
      if (!draining_) return;
    }
    drain_seen_ = true;
    if (!accept_paused_) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
    accept_paused_ = false;
    // A unix listener that is shut down refuses newcomers and still gives out who waits; a TCP one
    // would reset them.
    int domain = 0;
    socklen_t size = sizeof domain;
    ::getsockopt(listener_.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size);
    if (domain == AF_UNIX) ::shutdown(listener_.get(), SHUT_RD);
    while (accept_one()) {
    }
    listener_.reset();
    std::lock_guard lock(mutex_);
    drained_ = true;
    drained_changed_.notify_all();
  }

  const RelayOptions options_;
  PipePool pipes_;
  Fd listener_;
  Fd epoll_;
  Fd wake_;
  std::unordered_map<RelayConnection*, std::unique_ptr<RelayConnection>> open_;
  std::unordered_set<RelayConnection*> ready_;  // something can be moved
  std::unordered_set<RelayConnection*> timed_;  // have a deadline
  bool accept_paused_ = false;
  bool drain_seen_ = false;
  std::atomic<std::size_t> count_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable drained_changed_;
  RelayTarget target_;     // guarded by mutex_
  bool draining_ = false;  // guarded by mutex_
  bool drained_ = false;   // guarded by mutex_
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Relay>> start_relay(Fd listener, RelayOptions options) {
  int flags = ::fcntl(listener.get(), F_GETFL);
  if (flags < 0 || ::fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return errno_error("use the relay's socket");
  ::fcntl(listener.get(), F_SETFD, FD_CLOEXEC);
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll || !wake) return errno_error("start the relay");
  return std::unique_ptr<Relay>(std::make_unique<EpollRelay>(std::move(listener), std::move(epoll),
                                                             std::move(wake), std::move(options)));
}

Result<RelayTarget> relay_target(const std::string& address, int port) {
  RelayTarget target;
  auto* four = reinterpret_cast<sockaddr_in*>(&target.address);
  auto* six = reinterpret_cast<sockaddr_in6*>(&target.address);
  if (::inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(static_cast<std::uint16_t>(port));
    target.address_size = sizeof *four;
  } else if (::inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(static_cast<std::uint16_t>(port));
    target.address_size = sizeof *six;
  } else {
    return Error{Errc::invalid_argument, "not an address: " + address};
  }
  return target;
}

}  // namespace vibed
