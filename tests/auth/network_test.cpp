#include "auth/network.hpp"

#include <gtest/gtest.h>

namespace vibed::auth {
namespace {

bool contains(std::string_view network, const std::string& address) {
  auto parsed = parse_network(network);
  auto ip = parse_ip(address);
  EXPECT_TRUE(parsed) << network;
  EXPECT_TRUE(ip) << address;
  return parsed && ip && parsed->contains(*ip);
}

TEST(Network, ContainsWhatItsBitsSay) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(contains("192.0.2.64/26", "192.0.2.127"));
  EXPECT_FALSE(contains("192.0.2.64/26", "192.0.2.128"));
  EXPECT_FALSE(contains("192.0.2.64/26", "192.0.2.63"));
  EXPECT_TRUE(contains("192.0.2.7/32", "192.0.2.7"));
  EXPECT_FALSE(contains("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(contains("fd00::/8", "fdff::1"));
  EXPECT_FALSE(contains("fd00::/8", "fe00::1"));
  EXPECT_TRUE(contains("::/0", "192.0.2.1"));
}

TEST(Network, OfIPv4IsNotOfIPv6) {
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "a00::1"));
}

TEST(Network, TakesAMappedAddressForWhatItIs) {
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_TRUE(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
}

TEST(Network, IsNothingElse) {
  for (const char* text : {"", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x",
                           "10.0.0/8", "fd00::/129", "localhost", "10.0.0.0/08/8", "10.0.0.0 /8"}) {
    EXPECT_FALSE(parse_network(text)) << text;
  }
}

TEST(Network, ReadsPeersAsTheyAreWritten) {
  EXPECT_EQ(parse_peer("192.0.2.7:4711"), parse_ip("192.0.2.7"));
  EXPECT_EQ(parse_peer("[2001:db8::7]:4711"), parse_ip("2001:db8::7"));
  EXPECT_EQ(parse_peer("[::ffff:192.0.2.7]:1"), parse_ip("192.0.2.7"));
  EXPECT_EQ(parse_peer("[fe80::1%eth0]:1"), parse_ip("fe80::1"));
  for (const char* text : {"unix", "", "unknown", ":1", "[]:1", "192.0.2.7"}) {
    EXPECT_FALSE(parse_peer(text)) << text;
  }
}

}  // namespace
}  // namespace vibed::auth
