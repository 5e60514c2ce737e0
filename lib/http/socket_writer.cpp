#include "http/socket_writer.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

namespace vibed::http {
namespace {

// Takes `sent` bytes off the front of `parts`.
void skip_sent(std::span<iovec> parts, std::size_t sent) {
  for (iovec& part : parts) {
    std::size_t taken = std::min(sent, part.iov_len);
    part.iov_base = static_cast<char*>(part.iov_base) + taken;
    part.iov_len -= taken;
    sent -= taken;
  }
}

iovec to_part(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }

}  // namespace

bool SocketWriter::write(std::string_view chunk) {
  if (chunk.empty()) return !failed_;  // an empty chunk would end the body
  written_ += chunk.size();
  if (!options_.chunked) return send_parts(chunk, {}, {});
  return send_parts(fmt::format("{:x}\r\n", chunk.size()), chunk, "\r\n");
}

bool SocketWriter::send(std::string_view bytes) { return send_parts(bytes, {}, {}); }

bool SocketWriter::finish() { return options_.chunked ? send("0\r\n\r\n") : !failed_; }

bool SocketWriter::closed() {
  if (failed_ || stopping()) return true;
  pollfd peer{options_.socket, POLLRDHUP, 0};
  return ::poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool SocketWriter::stopping() const {
  pollfd stop{options_.stopping_fd, POLLIN, 0};
  return ::poll(&stop, 1, 0) > 0;
}

bool SocketWriter::send_parts(std::string_view first, std::string_view second,
                              std::string_view third) {
  std::array<iovec, 3> parts{to_part(first), to_part(second), to_part(third)};
  std::size_t left = first.size() + second.size() + third.size();
  while (left > 0 && !failed_) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t sent = ::sendmsg(options_.socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      skip_sent(parts, static_cast<std::size_t>(sent));
      left -= static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      failed_ = !wait_writable();
    } else if (errno != EINTR) {
      failed_ = true;
    }
  }
  return !failed_;
}

// False: the client does not read any more.
bool SocketWriter::wait_writable() {
  std::array<pollfd, 2> fds{pollfd{options_.socket, POLLOUT, 0},
                            pollfd{options_.stopping_fd, POLLIN, 0}};
  auto limit = static_cast<int>(options_.stall_timeout.count());
  int ready = ::poll(fds.data(), fds.size(), limit);
  if (ready < 0) return errno == EINTR;
  if (fds[0].revents == 0 && fds[1].revents != 0) {
    ready = ::poll(fds.data(), 1, static_cast<int>(options_.drain.count()));
    if (ready < 0) return errno == EINTR;
  }
  return ready > 0 && (fds[0].revents & (POLLERR | POLLHUP)) == 0;
}

}  // namespace vibed::http
