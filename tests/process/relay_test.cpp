#include "process/relay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "support/temp_dir.hpp"

namespace vibed {
namespace {

using testing::TempDir;

Fd tcp_listener(const char* address = "127.0.0.1") {
  auto target = relay_target(address, 0);
  Fd fd(::socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&target->address), target->address_size) != 0)
    return Fd();
  ::listen(fd.get(), 64);
  return fd;
}

int port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

Fd unix_listener(const std::string& path, int backlog = 64) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = unix_address(path);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(fd.get(), backlog), 0);
  return fd;
}

// An open connection, or nothing if it was refused.
Fd dial(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = unix_address(path);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Fd();
  timeval limit{20, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t count = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Everything until the other side has finished sending; "!" at the end if it was cut off.
std::string receive_all(int fd) {
  std::string text;
  char buffer[64 * 1024];
  for (;;) {
    ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
    if (count == 0) return text;
    if (count < 0) return text + "!";
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

std::string receive_some(int fd, std::size_t size) {
  std::string text(size, '\0');
  ssize_t count = ::recv(fd, text.data(), size, MSG_WAITALL);
  text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return text;
}

// An app: each connection on a thread of its own.
class App {
 public:
  explicit App(std::function<void(int fd)> serve, const char* address = "127.0.0.1")
      : listener_(tcp_listener(address)), serve_(std::move(serve)) {
    thread_ = std::thread([this] {
      for (;;) {
        Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd) return;
        int raw = fd.release();
        connections_.emplace_back([this, raw] {
          serve_(raw);
          ::close(raw);
        });
      }
    });
  }
  ~App() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    for (std::thread& one : connections_) one.join();
  }
  int port() const { return port_of(listener_.get()); }
  bool ok() const { return static_cast<bool>(listener_); }

 private:
  Fd listener_;
  std::function<void(int)> serve_;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

void echo(int fd) {
  char buffer[64 * 1024];
  for (ssize_t count; (count = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    if (!send_all(fd, {buffer, static_cast<std::size_t>(count)})) return;
  }
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 131 + i / 4096) & 0xff);
  return text;
}

class RelayTest : public ::testing::Test {
 protected:
  void start(RelayOptions options = {}) {
    auto relay = start_relay(unix_listener(path_), std::move(options));
    ASSERT_TRUE(relay);
    relay_ = *std::move(relay);
  }
  void lead_to(int port, const char* address = "127.0.0.1") {
    relay_->set_target(*relay_target(address, port));
  }
  // Waits without a fixed pause for what another thread is about to do.
  bool soon(const std::function<bool()>& is) {
    for (int i = 0; i < 5000 && !is(); ++i) ::poll(nullptr, 0, 1);
    return is();
  }

  TempDir scratch_;
  std::string path_ = scratch_ / "app.sock";
  std::unique_ptr<Relay> relay_;
};

TEST_F(RelayTest, CarriesBothWaysAndPassesOnEachSidesEnd) {
  App app([](int fd) { send_all(fd, "you said: " + receive_all(fd)); });
  start();
  lead_to(app.port());
  Fd client = dial(path_);
  ASSERT_TRUE(send_all(client.get(), "hello"));
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(receive_all(client.get()), "you said: hello");
  client.reset();
  EXPECT_TRUE(soon([&] { return relay_->connections() == 0; }));
}

TEST_F(RelayTest, AnAppThatEndsFirstStillHasItsWholeAnswerDelivered) {
  std::string answer = pattern(3'000'000);
  App app([&](int fd) { send_all(fd, answer); });
  start();
  lead_to(app.port());
  Fd client = dial(path_);
  EXPECT_EQ(receive_all(client.get()), answer);
}

TEST_F(RelayTest, ManyMegabytesPassBothWaysAtOnceUnchanged) {
  App app(echo);
  start();
  lead_to(app.port());
  std::string sent = pattern(20'000'000);
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      Fd client = dial(path_);
      std::thread writer([&] {
        send_all(client.get(), sent);
        ::shutdown(client.get(), SHUT_WR);
      });
      if (receive_all(client.get()) == sent) ++good;
      writer.join();
    });
  }
  for (std::thread& one : clients) one.join();
  EXPECT_EQ(good, 3);
}

TEST_F(RelayTest, ASlowReaderHoldsTheSenderBackAndNobodyElse) {
  App app([](int fd) { send_all(fd, pattern(8'000'000)); });
  start();
  lead_to(app.port());
  Fd slow = dial(path_);
  EXPECT_EQ(receive_some(slow.get(), 10).size(), 10U);  // and no more for now
  Fd quick = dial(path_);
  EXPECT_EQ(receive_all(quick.get()).size(), 8'000'000U);
  EXPECT_EQ(receive_all(slow.get()).size(), 8'000'000U - 10);
}

TEST_F(RelayTest, ReachesAnAppOnIpv6) {
  App app(echo, "::1");
  if (!app.ok()) GTEST_SKIP() << "no IPv6 here";
  start();
  lead_to(app.port(), "::1");
  Fd client = dial(path_);
  ASSERT_TRUE(send_all(client.get(), "six"));
  EXPECT_EQ(receive_some(client.get(), 3), "six");
}

TEST_F(RelayTest, AClientThatVanishesEndsTheAppsConnectionToo) {
  std::atomic<bool> ended = false;
  App app([&](int fd) {
    receive_all(fd);
    ended = true;
  });
  start();
  lead_to(app.port());
  Fd client = dial(path_);
  ASSERT_TRUE(send_all(client.get(), "x"));
  client.reset();
  EXPECT_TRUE(soon([&] { return ended && relay_->connections() == 0; }));
}

TEST_F(RelayTest, WithoutAnAppItAnswersAfterTheWholeHeadAndReadsTheBody) {
  start();
  Fd client = dial(path_);
  ASSERT_TRUE(send_all(client.get(), "POST / HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n"));
  pollfd nothing{client.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&nothing, 1, 30), 0) << "an answer before the head is complete";
  ASSERT_TRUE(send_all(client.get(), "Content-Length: 5000000\r\n\r\n"));
  EXPECT_TRUE(send_all(client.get(), std::string(5'000'000, 'x'))) << "cut off in mid-body";
  ::shutdown(client.get(), SHUT_WR);
  std::string answer = receive_all(client.get());
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("Retry-After: 1\r\n"), std::string::npos);
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  EXPECT_NE(answer.find(R"("code":"starting")"), std::string::npos);
  EXPECT_NE(answer.back(), '!') << "reset";
}

TEST_F(RelayTest, WhatItDiscardsIsBoundedInBytesAndInTime) {
  start({.max_discarded_bytes = 1'000'000, .discard_time = std::chrono::seconds(1)});
  Fd greedy = dial(path_);
  send_all(greedy.get(), "POST / HTTP/1.1\r\n\r\n");
  EXPECT_FALSE(send_all(greedy.get(), std::string(50'000'000, 'x')));
  Fd idle = dial(path_);  // never sends anything
  EXPECT_EQ(receive_all(idle.get()), "");
  EXPECT_TRUE(soon([&] { return relay_->connections() == 0; }));
}

TEST_F(RelayTest, AnAppThatRefusesIsReportedAndTheClientGets503) {
  Fd nobody = tcp_listener();
  int port = port_of(nobody.get());
  nobody.reset();
  std::atomic<int> refusals = 0;
  start({.on_refused = [&] { ++refusals; }});
  RelayTarget target = *relay_target("127.0.0.1", port);
  target.reason = "restarting";
  target.message = "the app is being restarted";
  relay_->set_target(target);
  Fd client = dial(path_);
  send_all(client.get(), "GET / HTTP/1.1\r\n\r\n");
  ::shutdown(client.get(), SHUT_WR);
  std::string answer = receive_all(client.get());
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("the app is being restarted\n"), std::string::npos) << answer;
  EXPECT_TRUE(soon([&] { return refusals == 1; }));
}

TEST_F(RelayTest, DrainingServesWhoWaitsRefusesNewcomersAndKeepsOpenConnections) {
  App app(echo);
  start();
  lead_to(app.port());
  Fd before = dial(path_);
  ASSERT_TRUE(send_all(before.get(), "a"));
  ASSERT_EQ(receive_some(before.get(), 1), "a");
  // Connections keep coming from several sides while the relay drains: each is either refused at
  // once or served, never accepted and then dropped.
  std::atomic<bool> go = true;
  std::atomic<int> served = 0;
  std::atomic<int> lost = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (go) {
        Fd client = dial(path_);
        if (!client) return;
        bool good = send_all(client.get(), "x") && receive_some(client.get(), 1) == "x";
        ++(good ? served : lost);
      }
    });
  }
  ASSERT_TRUE(soon([&] { return served > 50; }));
  EXPECT_GE(relay_->drain(), 1U);
  EXPECT_FALSE(dial(path_));
  go = false;
  for (std::thread& one : clients) one.join();
  EXPECT_EQ(lost, 0) << served << " were served";
  ASSERT_TRUE(send_all(before.get(), "b"));
  EXPECT_EQ(receive_some(before.get(), 1), "b");
  before.reset();
  EXPECT_TRUE(soon([&] { return relay_->connections() == 0; }));
  EXPECT_EQ(relay_->drain(), 0U) << "a second drain is the same";
}

TEST_F(RelayTest, MoreConnectionsThanAllowedWaitTheirTurn) {
  App app(echo);
  start({.max_connections = 2});
  lead_to(app.port());
  std::vector<Fd> open;
  for (int i = 0; i < 2; ++i) {
    open.push_back(dial(path_));
    send_all(open.back().get(), "x");
    ASSERT_EQ(receive_some(open.back().get(), 1), "x");
  }
  Fd third = dial(path_);
  send_all(third.get(), "y");
  pollfd nothing{third.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&nothing, 1, 30), 0);
  open.clear();
  EXPECT_EQ(receive_some(third.get(), 1), "y");
}

TEST_F(RelayTest, AConnectionAtRestHoldsTwoDescriptors) {
  App app(echo);
  start();
  lead_to(app.port());
  auto descriptors = [] {
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
  };
  auto open_one = [&] {
    Fd client = dial(path_);
    send_all(client.get(), "x");
    EXPECT_EQ(receive_some(client.get(), 1), "x");
    return client;
  };
  std::vector<Fd> open;
  open.push_back(open_one());
  int before = descriptors();
  for (int i = 0; i < 20; ++i) open.push_back(open_one());
  // The relay's two, the client's and the app's; pipes are shared.
  EXPECT_LE(descriptors() - before, 20 * 4);
}

}  // namespace
}  // namespace vibed
