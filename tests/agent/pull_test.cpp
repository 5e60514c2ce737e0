#include "agent/pull.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <thread>

#include <fmt/format.h>

#include "support/temp_dir.hpp"

namespace vibed::agent {
namespace {

using vibed::testing::TempDir;

// A server that gives each connection the next of the prepared answers.
class Answers {
 public:
  explicit Answers(std::deque<std::string> answers) : answers_(std::move(answers)) {
    listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_.get(), 8);
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Answers() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string url(const std::string& path) const {
    return fmt::format("http://127.0.0.1:{}{}", port_, path);
  }
  std::string requests;

 private:
  void serve() {
    while (!answers_.empty()) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) return;
      std::string head;
      char byte = 0;
      while (!head.ends_with("\r\n\r\n") && ::recv(fd.get(), &byte, 1, 0) == 1) head += byte;
      requests += head.substr(0, head.find('\r')) + "\n";
      ::send(fd.get(), answers_.front().data(), answers_.front().size(), MSG_NOSIGNAL);
      answers_.pop_front();
    }
  }

  std::deque<std::string> answers_;
  Fd listener_;
  int port_ = 0;
  std::thread thread_;
};

PullOptions from_loopback(const TempDir& scratch) {
  return {.spool_directory = scratch.path(), .allowed = [](const sockaddr&) { return true; }};
}

std::string text_of(const Pulled& pulled) {
  std::string text(pulled.size, '\0');
  EXPECT_EQ(::pread(pulled.file.get(), text.data(), text.size(), 0),
            static_cast<ssize_t>(text.size()));
  return text;
}

TEST(SourceUrl, IsTakenApart) {
  auto url = parse_source_url("http://user:pw@Store.example:9000/a/b.tgz?sig=1%2F#frag");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "Store.example");
  EXPECT_EQ(url->port, "9000");
  EXPECT_EQ(url->target, "/a/b.tgz?sig=1%2F");
  EXPECT_EQ(parse_source_url("http://h?x")->target, "/?x");
  EXPECT_EQ(parse_source_url("http://[fd00::1]:81/")->host, "fd00::1");
  EXPECT_EQ(parse_source_url("HTTPS://h/")->port, "443");
}

TEST(SourceUrl, OtherSchemesAndOddFormsAreRefused) {
  EXPECT_EQ(parse_source_url("file:///etc/passwd").error().message,
            "source url scheme \"file\" is not allowed (http or https only)");
  for (const char* text : {"", "http//x", "http://", "http://:80/", "http://h:0/", "http://h:x/",
                           "http://[::1/", "http://h/a b", "http://h/\r\nX: y"})
    EXPECT_FALSE(parse_source_url(text)) << text;
}

TEST(SourceUrl, RedirectsMayBeRelative) {
  SourceUrl from = *parse_source_url("http://h:81/a/b?c");
  EXPECT_EQ(follow_redirect(from, "d")->target, "/a/d");
  EXPECT_EQ(follow_redirect(from, "/d?e")->target, "/d?e");
  EXPECT_EQ(follow_redirect(from, "//other/x")->host, "other");
  EXPECT_FALSE(follow_redirect(from, "gopher://h/"));
  EXPECT_FALSE(follow_redirect(from, ""));
}

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

TEST(Pull, FollowsRedirectsAndReadsPlainAndChunkedBodies) {
  TempDir scratch;
  Answers server({"HTTP/1.1 302 Found\r\nLocation: /two\r\n\r\n",
                  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloJUNK",
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0"
                  "\r\n\r\n",
                  "HTTP/1.1 200 OK\r\n\r\nuntil the end"});
  auto first = pull_source(server.url("/one"), from_loopback(scratch));
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(text_of(*first), "hello");
  EXPECT_EQ(text_of(*pull_source(server.url("/"), from_loopback(scratch))), "abcde");
  EXPECT_EQ(text_of(*pull_source(server.url("/"), from_loopback(scratch))), "until the end");
  EXPECT_TRUE(server.requests.starts_with("GET /one HTTP/1.1\nGET /two HTTP/1.1\n"));
}

TEST(Pull, ErrorsAreThoseOfContractOne) {
  TempDir scratch;
  Answers server({"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "garbage\r\n\r\n",
                  "HTTP/1.1 302 Found\r\nLocation: file:///x\r\n\r\n"});
  auto options = from_loopback(scratch);
  EXPECT_EQ(pull_source(server.url("/"), options).error().message,
            "fetch source: HTTP 404 Not Found");
  EXPECT_FALSE(pull_source(server.url("/"), options));
  EXPECT_EQ(pull_source(server.url("/"), options).error().message,
            "source url scheme \"file\" is not allowed (http or https only)");
  options.allowed = may_dial;
  EXPECT_EQ(pull_source(server.url("/"), options).error().message,
            "source dial to 127.0.0.1 is not allowed");
}

TEST(Pull, ABodyThatIsTooLargeIsCutOff) {
  TempDir scratch;
  Answers server({"HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x')});
  auto options = from_loopback(scratch);
  options.max_bytes = 1001;
  EXPECT_EQ(pull_source(server.url("/"), options)->size, 1001U);
}

}  // namespace
}  // namespace vibed::agent
