#include "base/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace vibed {
namespace {

// What `body` writes to stderr, a text for each write(2): the socket keeps them apart.
std::vector<std::string> writes_of(const std::function<void()>& body) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  Fd before(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  ::dup2(writer.get(), STDERR_FILENO);
  body();
  ::dup2(before.get(), STDERR_FILENO);
  writer.reset();
  std::vector<std::string> writes;
  std::array<char, 65536> packet;
  for (ssize_t size = 0; (size = ::read(reader.get(), packet.data(), packet.size())) > 0;) {
    writes.emplace_back(packet.data(), static_cast<std::size_t>(size));
  }
  return writes;
}

class LogTest : public ::testing::Test {
 protected:
  void TearDown() override { log::configure(log::Level::warn, log::Format::text); }
};

TEST_F(LogTest, IsQuietBelowWarnUntilItIsConfigured) {
  auto writes = writes_of([] {
    log::info("not to be seen");
    log::warn("to be seen");
  });
  ASSERT_EQ(writes.size(), 1U);
  EXPECT_NE(writes[0].find(" warn to be seen\n"), std::string::npos) << writes[0];
}

TEST_F(LogTest, ATextLineHasTimeLevelMessageAndFieldsQuotedWhereTheyNeedIt) {
  log::configure(log::Level::debug, log::Format::text);
  auto writes = writes_of([] {
    log::debug("app started", {{"app", "shop"}, {"command", "python3 \"a\".py"}, {"empty", ""}});
  });
  ASSERT_EQ(writes.size(), 1U);
  const std::regex line(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z debug app started app=shop )"
                        R"(command="python3 \\"a\\"\.py" empty=""\n)");
  EXPECT_TRUE(std::regex_match(writes[0], line)) << writes[0];
}

TEST_F(LogTest, AJsonLineIsOneObjectWithTheFieldsBesideTheMessage) {
  log::configure(log::Level::info, log::Format::json);
  auto writes = writes_of([] { log::error("the app \"ended\"", {{"app", "sh\xffop"}}); });
  ASSERT_EQ(writes.size(), 1U);
  const std::regex line(R"(\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z","level":"error",)"
                        R"("msg":"the app \\"ended\\"","app":"sh.*op"\}\n)");
  EXPECT_TRUE(std::regex_match(writes[0], line)) << writes[0];
  EXPECT_EQ(nlohmann::json::parse(writes[0])["app"], "sh\uFFFDop");
}

TEST_F(LogTest, ALongLineIsOneWriteSoThatLinesOfSeveralProcessesDoNotMix) {
  log::configure(log::Level::info, log::Format::text);
  auto writes = writes_of([] {
    log::info("long", {{"value", std::string(20'000, 'x')}});
    log::info("next");
  });
  ASSERT_EQ(writes.size(), 2U);
  EXPECT_TRUE(writes[0].ends_with("xxx\n"));
}

TEST_F(LogTest, WritesNothingWhenItIsOff) {
  log::configure(log::Level::off, log::Format::text);
  EXPECT_TRUE(writes_of([] { log::error("not to be seen"); }).empty());
}

// A brace of an app is no placeholder.
TEST_F(LogTest, BracesAndPercentSignsAreTextLikeAnyOther) {
  auto writes = writes_of([] { log::warn("{} %v", {{"path", "{app}%l"}}); });
  ASSERT_EQ(writes.size(), 1U);
  EXPECT_NE(writes[0].find(" warn {} %v path={app}%l\n"), std::string::npos) << writes[0];
}

}  // namespace
}  // namespace vibed
