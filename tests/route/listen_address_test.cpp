#include "route/listen_address.hpp"

#include <gtest/gtest.h>

#include "fetch/scripted_server.hpp"

namespace vibed::route {
namespace {

TEST(ListenAddress, ReadsHostAndPort) {
  auto address = parse_listen("127.0.0.2:8080");
  ASSERT_TRUE(address);
  EXPECT_EQ(*address, (ListenAddress{"127.0.0.2", 8080}));
}

TEST(ListenAddress, IsLoopbackUnlessSaidOtherwise) {
  EXPECT_EQ(parse_listen(":80")->host, "127.0.0.1");
  EXPECT_EQ(parse_listen("localhost:80")->host, "127.0.0.1");
  EXPECT_EQ(parse_listen("0.0.0.0:80")->host, "0.0.0.0");
}

TEST(ListenAddress, WritesSixWithBrackets) {
  auto address = parse_listen("[::1]:81");
  ASSERT_TRUE(address);
  EXPECT_EQ(to_string(*address), "[::1]:81");
}

TEST(ListenAddress, RefusesWhatIsNone) {
  EXPECT_FALSE(parse_listen(""));
  EXPECT_FALSE(parse_listen("8080"));
  EXPECT_FALSE(parse_listen("127.0.0.1:"));
  EXPECT_FALSE(parse_listen("127.0.0.1:65536"));
  EXPECT_FALSE(parse_listen("127.0.0.1:-1"));
  EXPECT_FALSE(parse_listen("127.0.0.1:80x"));
  EXPECT_FALSE(parse_listen("example.com:80"));
}

TEST(ClaimPort, FindsAFreeOne) {
  auto claimed = claim_port({"127.0.0.1", 0});
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_GT(claimed->port, 0);
  EXPECT_TRUE(claim_port(*claimed));
}

TEST(ClaimPort, TellsThatAPortIsTaken) {
  testing::ScriptedServer other([](const testing::Seen&) { return testing::Script{}; });
  auto claimed = claim_port(*parse_listen(other.url().substr(7)));
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().reason, "address_in_use");
}

}  // namespace
}  // namespace vibed::route
