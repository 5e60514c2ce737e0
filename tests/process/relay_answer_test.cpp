#include "process/relay_answer.hpp"

#include <gtest/gtest.h>

namespace vibed {
namespace {

const Unavailable kRestarting{"restarting", "say \"when\"", 2};

TEST(RelayAnswer, AHeadIsCompleteAtItsEmptyLineOrWhenItIsTooLong) {
  EXPECT_FALSE(head_is_complete(""));
  EXPECT_FALSE(head_is_complete("GET / HTTP/1.1\r\nHost: x\r\n"));
  EXPECT_TRUE(head_is_complete("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(head_is_complete("GET / HTTP/1.0\n\n"));
  EXPECT_TRUE(head_is_complete(std::string(kMaxRelayHead, 'x')));
}

TEST(RelayAnswer, IsPlainTextUnlessJsonIsWantedFirst) {
  auto answer = [](std::string head) { return unavailable_response(head, kRestarting); };
  EXPECT_TRUE(answer("GET / HTTP/1.1\r\n\r\n").ends_with("\r\n\r\nsay \"when\"\n"));
  EXPECT_TRUE(answer("GET / HTTP/1.1\r\naccept:  Application/JSON\r\n\r\n")
                  .ends_with("{\"code\":\"restarting\",\"message\":\"say \\\"when\\\"\"}\n"));
  EXPECT_TRUE(answer("GET / HTTP/1.1\r\nAccept: text/html,application/json\r\n\r\n")
                  .ends_with("say \"when\"\n"));
}

TEST(RelayAnswer, SaysWhenToComeBackAndHowLongItIs) {
  std::string text = unavailable_response("GET / HTTP/1.1\r\n\r\n", kRestarting);
  EXPECT_NE(text.find("\r\nRetry-After: 2\r\n"), std::string::npos);
  EXPECT_NE(text.find("\r\nContent-Length: 11\r\n"), std::string::npos);
  EXPECT_NE(text.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST(RelayAnswer, HasNoBodyForHead) {
  EXPECT_TRUE(unavailable_response("HEAD / HTTP/1.1\r\n\r\n", kRestarting).ends_with("\r\n\r\n"));
}

}  // namespace
}  // namespace vibed
