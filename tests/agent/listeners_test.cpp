#include "agent/listeners.hpp"

#include <gtest/gtest.h>

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

TEST(Listeners, AreReadUpToTheFirstConnection) {
  EXPECT_EQ(parse_listeners(kTcp), (std::vector<Listener>{{"127.0.0.1", 8080}, {"0.0.0.0", 3000}}));
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

}  // namespace
}  // namespace vibed::agent
