// RawClient speaks to a server in bytes of the test's own making, well-formed or not.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace vibed::testing {

struct RawAnswer {
  int status = 0;
  std::string head;
  std::string body;  // chunks joined
  bool complete = false;
};

class RawClient {
 public:
  // `address` as Server::address() gives it.
  explicit RawClient(const std::string& address) {
    if (address.starts_with("unix:")) {
      sockaddr_un name = {};
      name.sun_family = AF_UNIX;
      std::memcpy(name.sun_path, address.data() + 5, address.size() - 5);
      fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      ok_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0;
      return;
    }
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ok_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0;
  }
  ~RawClient() { hang_up(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return ok_; }
  void hang_up() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void finish_sending() { ::shutdown(fd_, SHUT_WR); }

  // False when the server does not take it all.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // Reads until `mark` has come, or the end; everything up to and with it is taken.
  std::string read_until(std::string_view mark) {
    while (true) {
      std::size_t at = buffer_.find(mark);
      if (at != buffer_.npos) return take(at + mark.size());
      if (!fill()) return take(buffer_.size());
    }
  }

  // The next answer. `head_only`: of a HEAD request.
  RawAnswer answer(bool head_only = false) {
    RawAnswer answer;
    answer.head = read_until("\r\n\r\n");
    if (answer.head.size() < 12) return answer;
    answer.status = std::stoi(answer.head.substr(9, 3));
    if (head_only || answer.status < 200 || answer.status == 204 || answer.status == 304) {
      answer.complete = true;
    } else if (answer.head.find("Transfer-Encoding: chunked") != std::string::npos) {
      read_chunks(answer);
    } else if (auto at = answer.head.find("Content-Length: "); at != std::string::npos) {
      auto size = static_cast<std::size_t>(std::stoul(answer.head.substr(at + 16)));
      while (buffer_.size() < size && fill()) {
      }
      answer.complete = buffer_.size() >= size;
      answer.body = take(std::min(size, buffer_.size()));
    } else {
      while (fill()) {
      }
      answer.complete = true;
      answer.body = take(buffer_.size());
    }
    return answer;
  }

  // Whether the server has closed (waits up to 10 s for it), without anything more to read.
  bool at_end() { return buffer_.empty() && !fill(); }

 private:
  void read_chunks(RawAnswer& answer) {
    while (true) {
      std::string line = read_until("\r\n");
      std::size_t size = 0;
      auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
      if (error != std::errc()) return;
      while (buffer_.size() < size + 2 && fill()) {
      }
      if (buffer_.size() < size + 2) return;
      answer.body += take(size);
      take(2);
      if (size != 0) continue;
      answer.complete = true;
      return;
    }
  }

  std::string take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  bool fill() {
    char bytes[16384];
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, 10'000) <= 0) return false;
    ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  int fd_ = -1;
  bool ok_ = false;
  std::string buffer_;
};

}  // namespace vibed::testing
