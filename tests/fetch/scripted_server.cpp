#include "fetch/scripted_server.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "support/surroundings.hpp"

namespace vibed::testing {
namespace {

// Reads more from `fd` into `buffer`; false at the end.
bool more(int fd, std::string& buffer) {
  char bytes[65536];
  const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer.append(bytes, static_cast<std::size_t>(got));
  return true;
}

bool read_request(int fd, std::string& buffer, Seen& seen) {
  std::size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!more(fd, buffer)) return false;
  }
  seen.head = buffer.substr(0, end + 4);
  buffer.erase(0, end + 4);
  if (seen.head.find("X-Early") != std::string::npos) return true;
  if (const auto at = seen.head.find("Content-Length: "); at != std::string::npos) {
    const std::size_t length = std::strtoul(seen.head.c_str() + at + 16, nullptr, 10);
    while (buffer.size() < length) {
      if (!more(fd, buffer)) return false;
    }
    seen.body = buffer.substr(0, length);
    buffer.erase(0, length);
  } else if (seen.head.find("Transfer-Encoding: chunked") != std::string::npos) {
    while (!buffer.ends_with("0\r\n\r\n")) {
      if (!more(fd, buffer)) return false;
    }
    seen.body = std::exchange(buffer, {});
  }
  return true;
}

}  // namespace

ScriptedServer::ScriptedServer(std::function<Script(const Seen&)> answer,
                               const std::string& unix_socket)
    : answer_(std::move(answer)) {
  if (unix_socket.empty()) {
    use(bind_to_loopback());
  } else {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, unix_socket.c_str(), sizeof address.sun_path - 1);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      std::abort();
    }
  }
  start();
}

ScriptedServer::ScriptedServer(std::function<Script(const Seen&)> answer, Bound port)
    : answer_(std::move(answer)) {
  use(std::move(port));
  start();
}

void ScriptedServer::use(Bound port) {
  port_ = port.port;
  listener_ = port.fd.release();
}

void ScriptedServer::start() {
  if (::listen(listener_, 64) != 0) std::abort();
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
}

int ScriptedServer::open_connections() {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(open_.size());
}

void ScriptedServer::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int connection = ++connections_;
    const std::lock_guard lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd, connection] { serve(fd, connection); });
  }
}

void ScriptedServer::serve(int fd, int connection) {
  std::string buffer;
  for (;;) {
    Seen seen;
    seen.connection = connection;
    if (!read_request(fd, buffer, seen)) break;
    const Script script = answer_(seen);
    if (script.before) script.before();
    if (::send(fd, script.bytes.data(), script.bytes.size(), MSG_NOSIGNAL) < 0) break;
    if (script.close) break;
  }
  const std::lock_guard lock(mutex_);
  std::erase(open_, fd);
  ::close(fd);
}

std::string ok_answer(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace vibed::testing
