#include "process/relay_connection.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "process/relay_answer.hpp"

namespace vibed {
namespace {

constexpr std::size_t kPiece = 64 * 1024;  // what a pipe holds
constexpr std::size_t kSparePipes = 32;
constexpr int kPiecesPerTurn = 16;

}  // namespace

std::optional<PipeEnds> PipePool::take() {
  if (!spare_.empty()) {
    PipeEnds pipe = std::move(spare_.back());
    spare_.pop_back();
    return pipe;
  }
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return std::nullopt;
  return PipeEnds{Fd(fds[0]), Fd(fds[1])};
}

void PipePool::give_back(PipeEnds pipe) {
  if (spare_.size() < kSparePipes) spare_.push_back(std::move(pipe));
}

bool RelayConnection::connect(const RelayTarget& target, Time now) {
  target_ = target;
  if (target.address_size == 0) {
    refuse(now);
    return true;
  }
  Fd app(::socket(target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int one = 1;
  ::setsockopt(app.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const auto* address = reinterpret_cast<const sockaddr*>(&target.address);
  if (app && ::connect(app.get(), address, target.address_size) == 0) {
    mode_ = Mode::carrying;
  } else if (!app || errno != EINPROGRESS) {
    refuse(now);
    return false;
  }
  end(Side::app).fd = std::move(app);
  return true;
}

void RelayConnection::notice(Side side, std::uint32_t events) {
  End& one = end(side);
  bool bad = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (bad || (events & (EPOLLIN | EPOLLRDHUP)) != 0) one.readable = true;
  if (bad || (events & EPOLLOUT) != 0) one.writable = true;
  one.gone = one.gone || bad;
}

void RelayConnection::refuse(Time now) {
  mode_ = Mode::answering;
  end(Side::app).fd.reset();
  deadline_ = now + options_.discard_time;
}

bool RelayConnection::finish_connect(Time now) {
  End& app = end(Side::app);
  if (!app.writable) return false;
  int number = 0;
  socklen_t size = sizeof number;
  ::getsockopt(app.fd.get(), SOL_SOCKET, SO_ERROR, &number, &size);
  if (number != 0) {
    refused_ = true;
    refuse(now);
  } else {
    mode_ = Mode::carrying;
  }
  return true;
}

RelayConnection::Outcome RelayConnection::pump(Time now) {
  if (mode_ == Mode::connecting) {
    if (!finish_connect(now)) return end(Side::client).gone ? Outcome::done : Outcome::waiting;
  }
  if (mode_ == Mode::answering) return answer(now);
  if (mode_ == Mode::discarding) return discard();
  return carry(now);
}

RelayConnection::Outcome RelayConnection::carry(Time now) {
  bool moved = false;
  bool again = true;
  for (int turn = 0; again && turn < kPiecesPerTurn; ++turn) {
    bool up = move(up_);
    bool down = move(down_);
    again = up || down;
    moved = moved || again;
  }
  settle(up_);
  settle(down_);
  bool up_done = up_.shut || (up_.broken && up_.ended);
  bool down_done = down_.shut || (down_.broken && down_.ended);
  // A client that is gone altogether wants no answer; one that only finished sending does.
  if (end(Side::client).gone && up_.ended && up_.held == 0) return Outcome::done;
  if (down_.broken || (up_done && down_done)) return Outcome::done;
  if (discarded_ > options_.max_discarded_bytes) return Outcome::done;
  // The app is through. What the client still sends has nowhere to go, but cutting it off would
  // reset the connection and could take the end of the answer with it.
  if (down_done && (moved || !deadline_)) deadline_ = now + options_.linger_time;
  if (down_done && end(Side::app).gone) up_.broken = true;
  return again ? Outcome::more : Outcome::waiting;
}

// Socket into pipe. False: nothing happened.
bool RelayConnection::fill(Flow& flow) {
  End& from = end(flow.from);
  if (flow.held > 0 || flow.ended || !from.readable) return false;
  if (!flow.pipe) flow.pipe = pipes_.take();
  if (!flow.pipe) {  // no descriptors left: this connection has to give way
    flow.ended = flow.broken = true;
    return true;
  }
  ssize_t count = ::splice(from.fd.get(), nullptr, flow.pipe->writer.get(), nullptr, kPiece,
                           SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (count > 0) {
    flow.held = static_cast<std::size_t>(count);
  } else if (count < 0 && errno == EAGAIN) {
    from.readable = false;
    return false;
  } else if (count == 0 || errno != EINTR) {
    flow.ended = true;
  }
  return true;
}

// Pipe into socket. False: nothing happened.
bool RelayConnection::empty(Flow& flow) {
  End& to = end(flow.to);
  if (flow.held == 0 || !to.writable) return false;
  ssize_t count = ::splice(flow.pipe->reader.get(), nullptr, to.fd.get(), nullptr, flow.held,
                           SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (count > 0) {
    flow.held -= static_cast<std::size_t>(count);
  } else if (count < 0 && errno == EAGAIN) {
    to.writable = false;
    return false;
  } else if (errno != EINTR) {
    flow.broken = true;
    flow.held = 0;
    flow.pipe.reset();  // not empty: of no use to others
  }
  return true;
}

bool RelayConnection::move(Flow& flow) {
  if (flow.broken) return !flow.ended && read_scrap(end(flow.from), flow.ended);
  bool moved = fill(flow);
  moved = empty(flow) || moved;
  if (flow.ended && flow.held == 0 && !flow.shut && !flow.broken) {
    ::shutdown(end(flow.to).fd.get(), SHUT_WR);
    flow.shut = true;
  }
  return moved;
}

void RelayConnection::settle(Flow& flow) {
  if (flow.held == 0 && flow.pipe) {
    pipes_.give_back(*std::move(flow.pipe));
    flow.pipe.reset();
  }
}

RelayConnection::Outcome RelayConnection::answer(Time now) {
  End& client = end(Side::client);
  char buffer[4096];
  while (answer_.empty() && client.readable) {
    ssize_t count = ::recv(client.fd.get(), buffer, sizeof buffer, 0);
    if (count < 0 && errno == EAGAIN) client.readable = false;
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return Outcome::done;
    head_.append(buffer, static_cast<std::size_t>(count));
    if (head_is_complete(head_))
      answer_ = unavailable_response(head_, {target_.reason, target_.message, target_.retry_after});
  }
  if (answer_.empty() || !client.writable) return Outcome::waiting;
  ssize_t count = ::send(client.fd.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
  if (count < 0 && errno == EAGAIN) client.writable = false;
  if (count < 0) return errno == EAGAIN ? Outcome::waiting : Outcome::done;
  answer_.erase(0, static_cast<std::size_t>(count));
  if (!answer_.empty()) return Outcome::more;
  ::shutdown(client.fd.get(), SHUT_WR);
  mode_ = Mode::discarding;
  head_ = std::string();
  deadline_ = now + options_.discard_time;
  return discard();
}

RelayConnection::Outcome RelayConnection::discard() {
  bool ended = false;
  for (int turn = 0; turn < kPiecesPerTurn; ++turn) {
    if (!read_scrap(end(Side::client), ended)) return Outcome::waiting;
    if (ended || discarded_ > options_.max_discarded_bytes) return Outcome::done;
  }
  return Outcome::more;
}

// Reads one piece and throws it away. False: there is nothing now.
bool RelayConnection::read_scrap(End& from, bool& ended) {
  if (!from.readable) return false;
  char buffer[16 * 1024];
  ssize_t count = ::recv(from.fd.get(), buffer, sizeof buffer, 0);
  if (count < 0 && errno == EAGAIN) {
    from.readable = false;
    return false;
  }
  if (count == 0 || (count < 0 && errno != EINTR)) ended = true;
  if (count > 0) discarded_ += static_cast<std::uint64_t>(count);
  return true;
}

}  // namespace vibed
