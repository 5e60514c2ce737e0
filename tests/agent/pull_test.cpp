#include "agent/pull.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace vibed::agent {
namespace {

TEST(MayDial, RefusesThisMachineAndItsMetadata) {
  auto allowed = [](const char* text) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    if (::inet_pton(AF_INET, text, &four.sin_addr) == 1)
      return may_dial(reinterpret_cast<sockaddr&>(four));
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    EXPECT_EQ(::inet_pton(AF_INET6, text, &six.sin6_addr), 1) << text;
    return may_dial(reinterpret_cast<sockaddr&>(six));
  };
  for (const char* text : {"127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "169.254.1.1",
                           "::1", "::", "fe80::1", "fd00:ec2::254", "::ffff:127.0.0.1",
                           "::ffff:169.254.169.254", "::127.0.0.1"})
    EXPECT_FALSE(allowed(text)) << text;
  for (const char* text : {"10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:db8::1", "fd00::1"})
    EXPECT_TRUE(allowed(text)) << text;
}

TEST(Pull, DoesNotDialThisMachine) {
  for (const char* url : {"http://127.0.0.1:1/", "https://[::1]:1/?signature=5ecret"}) {
    auto pulled = pull_source(url, {});
    ASSERT_FALSE(pulled);
    EXPECT_TRUE(pulled.error().message.ends_with(" is not allowed")) << pulled.error().message;
    EXPECT_EQ(pulled.error().message.find("5ecret"), std::string::npos);
    EXPECT_EQ(pulled.error().message.find("extraEgress"), std::string::npos);
  }
}

// What an operator sees of a sandbox that its network policy lets reach nothing.
TEST(Pull, OfAPlaceOutOfReachSaysWhatToDo) {
  const std::string nameless = std::string(64, 'a') + ".test";  // too long to be asked for
  for (const auto& [url, place] :
       {std::pair<std::string, std::string>{"http://127.0.0.1:1/k?s=5ecret", "127.0.0.1:1"},
        std::pair<std::string, std::string>{"http://" + nameless + "/k?s=5ecret", nameless}}) {
    http::DownloadOptions options;
    options.attempts = 1;
    options.allowed = [](const sockaddr&) { return true; };
    auto pulled = pull_source(url, options);
    ASSERT_FALSE(pulled);
    const std::string& said = pulled.error().message;
    EXPECT_TRUE(said.starts_with("fetch source: ")) << said;
    EXPECT_NE(said.find("this sandbox cannot reach " + place + ", "), std::string::npos) << said;
    EXPECT_NE(said.find("networkPolicy.extraEgress"), std::string::npos) << said;
    EXPECT_NE(said.find("storage.tarball.delivery: push"), std::string::npos) << said;
    EXPECT_EQ(said.find("5ecret"), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace vibed::agent
