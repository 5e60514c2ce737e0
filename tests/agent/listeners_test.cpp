#include "agent/listeners.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/fd.hpp"

namespace vibed::agent {
namespace {

constexpr const char* kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0\n"
    "   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0\n"
    "   2: 0100007F:1F90 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0\n"
    "   3: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0\n";

constexpr const char* kTcp6 =
    "  sl  local_address                         remote_address                        st\n"
    "   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0\n"
    "   1: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A 0:0\n"
    "   2: 0000000000000000FFFF00000100007F:1F92 00000000000000000000000000000000:0000 0A 0:0\n";

// gVisor has them in any order. A listener that was missed before the app started, the agent's own,
// was taken for the app's afterwards.
TEST(Listeners, AreFoundAmongConnections) {
  EXPECT_EQ(parse_listeners(kTcp),
            (std::vector<Listener>{{"127.0.0.1", 8080}, {"0.0.0.0", 3000}, {"127.0.0.1", 80}}));
  EXPECT_EQ(parse_listeners(kTcp6),
            (std::vector<Listener>{{"::1", 8080}, {"::", 8081}, {"127.0.0.1", 8082}}));
}

TEST(Listeners, OddTextsGiveNoneAndNoCrash) {
  EXPECT_TRUE(parse_listeners("").empty());
  EXPECT_TRUE(parse_listeners("heading\n").empty());
  EXPECT_TRUE(parse_listeners("heading\n 0: XYZ:1 0:0 0A\n 1: 0100007F 0:0 0A\n").empty());
  EXPECT_TRUE(parse_listeners("heading\n 0: 0100007F:1F90 0:0 0A").empty()) << "cut off";
}

TEST(Listeners, TheToldPortWinsThenTheLowestAndIpv4) {
  Listener told{"::1", 8080};
  Listener four{"0.0.0.0", 3000};
  Listener six{"::", 3000};
  Listener high{"127.0.0.1", 9229};
  EXPECT_EQ(choose_listener({high, four, told}, 8080, {}), told);
  EXPECT_EQ(choose_listener({high, six, four}, 8080, {}), four);
  EXPECT_EQ(choose_listener({high, four, told}, 8080, {told, four}), high);
  EXPECT_FALSE(choose_listener({told}, 8080, {told}));
  EXPECT_FALSE(choose_listener({}, 8080, {}));
}

TEST(Listeners, AnyAddressIsDialledOnLoopback) {
  EXPECT_EQ((Listener{"0.0.0.0", 1}.dial_address()), "127.0.0.1");
  EXPECT_EQ((Listener{"::", 1}.dial_address()), "::1");
  EXPECT_EQ((Listener{"127.0.0.2", 1}.dial_address()), "127.0.0.2");
}

// A listening socket on a port that the kernel chose.
std::pair<Fd, Listener> listen_on(const char* address) {
  sockaddr_in four{};
  sockaddr_in6 six{};
  four.sin_family = AF_INET;
  six.sin6_family = AF_INET6;
  bool is_four = ::inet_pton(AF_INET, address, &four.sin_addr) == 1;
  EXPECT_TRUE(is_four || ::inet_pton(AF_INET6, address, &six.sin6_addr) == 1);
  Fd fd(::socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto* name = is_four ? reinterpret_cast<sockaddr*>(&four) : reinterpret_cast<sockaddr*>(&six);
  socklen_t size = is_four ? sizeof four : sizeof six;
  EXPECT_EQ(::bind(fd.get(), name, size), 0);
  EXPECT_EQ(::listen(fd.get(), 1), 0);
  ::getsockname(fd.get(), name, &size);
  Listener listener{address, ntohs(is_four ? four.sin_port : six.sin6_port)};
  return {std::move(fd), std::move(listener)};
}

TEST(Listeners, TheKernelAndItsFilesTellTheSame) {
  for (const char* address : {"127.0.0.1", "0.0.0.0", "::1", "::"}) {
    auto [socket, listener] = listen_on(address);
    auto told = ask_for_listeners();
    ASSERT_TRUE(told) << "the kernel does not answer sock_diag";
    EXPECT_EQ(std::count(told->begin(), told->end(), listener), 1) << address;
    // A file of /proc is not of one moment: where other sockets come and go between two reads, a
    // line may be left out or come twice. The agent looks again and again, and so does this.
    std::ptrdiff_t lines = 0;
    for (int look = 0; look < 10 && lines != 1; ++look) {
      auto read = read_listener_files();
      lines = std::count(read.begin(), read.end(), listener);
    }
    EXPECT_EQ(lines, 1) << address;
    socket.reset();
    auto found = read_listeners();
    EXPECT_EQ(std::count(found.begin(), found.end(), listener), 0) << address;
  }
}

}  // namespace
}  // namespace vibed::agent
