#include "route/caddies.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "support/surroundings.hpp"

namespace vibed::testing {

std::string caddy_program(const CaddyKind& kind) {
  std::string program = "/usr/bin/caddy";
  if (kind.name == "2.11") {
    program = variable("VIBED_CADDY_211");
    if (program.empty()) program = cache_folder() + "/bin/caddy-2.11";
  }
  return ::access(program.c_str(), X_OK) == 0 ? program : "";
}

Result<fetch::Response> ask(const std::string& address, const std::string& host,
                            fetch::Request request) {
  request.url = "http://" + address + (request.url.empty() ? "/" : request.url);
  request.headers.emplace_back("Host", host);
  return fetch::make_client()->send(request);
}

Result<Fd> open_upgraded(const std::string& address, const std::string& host) {
  const std::size_t colon = address.find(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&peer), sizeof peer) != 0) {
    return errno_error("connect");
  }
  const std::string head =
      "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
  std::string answer = say(fd.get(), head, 12);
  if (answer != "HTTP/1.1 101") return Error{Errc::unavailable, "not upgraded: " + answer};
  while (!answer.ends_with("\r\n\r\n")) {
    const std::string more = say(fd.get(), "", 1);
    if (more.empty()) return Error{Errc::unavailable, "ended: " + answer};
    answer += more;
  }
  return fd;
}

std::string say(int fd, const std::string& bytes, std::size_t length) {
  if (!bytes.empty()) ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  std::string answer(length, '\0');
  std::size_t got = 0;
  while (got < length) {
    const ssize_t more = ::recv(fd, answer.data() + got, length - got, 0);
    if (more <= 0) break;
    got += static_cast<std::size_t>(more);
  }
  answer.resize(got);
  return answer;
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace vibed::testing
