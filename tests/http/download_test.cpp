// The client of downloads against real servers on loopback.
#include "http/download.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "answers.hpp"

namespace vibed::http {
namespace {

using std::chrono::milliseconds;
using testing::Answers;
using testing::Authority;
using testing::TempDir;

const std::string kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

class Download : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ::signal(SIGPIPE, SIG_IGN); }  // of the server's OpenSSL

  DownloadOptions options() const {
    return {.spool_directory = scratch_.path(),
            .retry_pause = milliseconds(1),
            .authorities = authority_.file()};
  }
  std::string error_of(const std::string& url, const DownloadOptions& how) const {
    auto got = download(url, how);
    return got ? "" : got.error().message;
  }
  std::string error_of(const std::string& url) const { return error_of(url, options()); }
  std::string text_of(const std::string& url, const DownloadOptions& how) const {
    auto got = download(url, how);
    if (!got) return "error: " + got.error().message;
    std::string text(got->size, '\0');
    EXPECT_EQ(::pread(got->file.get(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
    return text;
  }
  std::string text_of(const std::string& url) const { return text_of(url, options()); }

  TempDir scratch_;
  Authority authority_;
  Authority::Certificate good_ = authority_.issue("DNS:localhost,IP:127.0.0.1");
};

TEST_F(Download, ReadsPlainAndChunkedBodiesAndThoseThatEndWithTheConnection) {
  Answers server({{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloJUNK"},
                  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0"
                   "\r\n\r\n"},
                  {"HTTP/1.1 200 OK\r\n\r\nuntil the end"},
                  {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + kHello},
                  {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}});
  for (const char* text : {"hello", "abcde", "until the end", "hello", ""})
    EXPECT_EQ(text_of(server.url("/")), text);
}

TEST_F(Download, OfHttpsChecksTheCertificateAndNamesTheServer) {
  std::string large(3'000'000, 'x');
  Answers server({{kHello}, {"HTTP/1.1 200 OK\r\n\r\n" + large}, {kHello}}, &good_);
  EXPECT_EQ(text_of(server.url("/a")), "hello");
  EXPECT_EQ(text_of(server.url("/b")), large);
  EXPECT_EQ(text_of(server.url("/c", "127.0.0.1")), "hello");
  EXPECT_EQ(server.names(), (std::vector<std::string>{"localhost", "localhost", ""}));
}

TEST_F(Download, ACertificateThatIsNotGoodSaysWhyAndIsNotTriedAgain) {
  Authority stranger;
  struct Case {
    Authority::Certificate certificate;
    std::string why;
  };
  for (const Case& one :
       {Case{stranger.issue("DNS:localhost"), "unable to get local issuer certificate"},
        Case{authority_.issue("DNS:localhost", -7200), "certificate has expired"},
        Case{authority_.issue("DNS:localhost", 7200), "certificate is not yet valid"},
        Case{authority_.issue("DNS:elsewhere.example"), "hostname mismatch"}}) {
    Answers server({{kHello}, {kHello}}, &one.certificate);
    EXPECT_EQ(error_of(server.url("/")),
              "fetch source: the certificate of localhost is not valid: " + one.why);
    EXPECT_EQ(server.heads().size(), 0U) << "the request must not be sent";
    EXPECT_EQ(server.names().size(), 1U);
  }
  auto named = authority_.issue("DNS:localhost");
  Answers server({{kHello}}, &named);
  EXPECT_EQ(error_of(server.url("/", "127.0.0.1")),
            "fetch source: the certificate of 127.0.0.1 is not valid: IP address mismatch");
}

TEST_F(Download, NeedsTls12AndAServerThatSpeaksTls) {
  Answers old({{kHello}}, &good_, TLS1_1_VERSION);
  std::string said = error_of(old.url("/"));
  EXPECT_TRUE(said.starts_with("fetch source: TLS with localhost: ")) << said;
  EXPECT_EQ(old.heads().size(), 0U);
  Answers twelve({{kHello}}, &good_, TLS1_2_VERSION);
  EXPECT_EQ(text_of(twelve.url("/")), "hello");
  Answers plain({{"HTTP/1.1 400 Bad Request\r\n\r\n", true, true, false}});
  said = error_of("https://localhost:" + plain.port() + "/");
  EXPECT_TRUE(said.starts_with("fetch source: TLS with localhost: ")) << said;
}

TEST_F(Download, WithoutAFileOfAuthoritiesSaysSo) {
  Answers server({{kHello}}, &good_);
  auto how = options();
  how.authorities = scratch_ / "missing.pem";
  std::string said = error_of(server.url("/"), how);
  EXPECT_TRUE(said.starts_with("fetch source: read the trusted certificates in ")) << said;
}

TEST_F(Download, FollowsThreeRedirectsAndNoMore) {
  auto to = [](const std::string& where) {
    return testing::Answer{"HTTP/1.1 307 Temporary Redirect\r\nLocation: " + where + "\r\n\r\n"};
  };
  Answers last({{kHello}}, &good_);
  Answers server({to("/two"), to("three?x=%2F"), to(last.url("/four"))}, &good_);
  EXPECT_EQ(text_of(server.url("/one")), "hello");
  ASSERT_EQ(server.heads().size(), 3U);
  EXPECT_TRUE(server.heads()[2].starts_with("GET /three?x=%2F HTTP/1.1\r\n"));
  Answers endless({to("/"), to("/"), to("/"), to("/"), {kHello}});
  EXPECT_EQ(error_of(endless.url("/")), "fetch source: stopped after 3 redirects");
}

TEST_F(Download, ARedirectMayNotLeadFromHttpsToHttpNorToAnotherScheme) {
  Answers plain({{kHello}});
  Answers server({{"HTTP/1.1 302 Found\r\nLocation: " + plain.url("/") + "\r\n\r\n"},
                  {"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"}},
                 &good_);
  EXPECT_EQ(error_of(server.url("/")),
            "fetch source: a redirect from https to http is not followed");
  EXPECT_EQ(plain.heads().size(), 0U);
  EXPECT_EQ(error_of(server.url("/")),
            "source url scheme \"file\" is not allowed (http or https only)");
}

TEST_F(Download, AQueryGoesOutUntouchedAndIsPartOfNoError) {
  const std::string query = "?X-Amz-Signature=5ec%2Fret+&response-x=%zz&&a=%20~";
  std::string denied =
      "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired"
      "</Message><Resource>/b" +
      query + "</Resource></Error>";
  std::string head = "HTTP/1.1 403 5ec%2Fret\r\nContent-Length: ";
  Answers server({{kHello}, {head + std::to_string(denied.size()) + "\r\n\r\n" + denied}}, &good_);
  EXPECT_EQ(text_of(server.url("/bucket/key.tgz" + query)), "hello");
  ASSERT_EQ(server.heads().size(), 1U);
  EXPECT_TRUE(server.heads()[0].starts_with("GET /bucket/key.tgz" + query + " HTTP/1.1\r\n"))
      << server.heads()[0];
  EXPECT_NE(server.heads()[0].find("\r\nHost: localhost:" + server.port() + "\r\n"),
            std::string::npos);
  auto refused = download(server.url("/bucket/key.tgz" + query), options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_EQ(refused.error().message,
            "fetch source: HTTP 403 Forbidden: AccessDenied, the URL has expired");
}

// Whatever goes wrong, the words do not hold the secret.
TEST_F(Download, NoFailureRepeatsTheQuery) {
  auto how = options();
  how.attempts = 1;
  how.idle_timeout = milliseconds(50);
  for (const std::string& answer :
       {std::string("garbage 5ecret\r\n\r\n"), std::string(),
        std::string("HTTP/1.1 500 5ecret\r\n\r\n"),
        std::string("HTTP/1.1 302 Found\r\nLocation: http://h:0/?5ecret\r\n\r\n"),
        std::string("HTTP/1.1 302 Found\r\nLocation: ?5ecret \x01\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n5ecret")}) {
    for (bool waits : {false, true}) {
      Answers server({{answer, true, waits}}, &good_);
      std::string said = error_of(server.url("/?sig=5ecret"), how);
      EXPECT_NE(said, "");
      EXPECT_EQ(said.find("5ecret"), std::string::npos) << said;
    }
  }
  EXPECT_EQ(error_of("http://h:x/?5ecret").find("5ecret"), std::string::npos);
}

TEST_F(Download, StatusesHaveTheirOwnWords) {
  Answers server({{"HTTP/1.1 404 Gone Fishing\r\nContent-Length: 46\r\n\r\n"
                   "<Error><Code>\n NoSuchKey</Code><Message/></Err>"},
                  {"HTTP/1.1 410 x\r\n\r\n"},
                  {"HTTP/1.1 304 Not Modified\r\n\r\n"}});
  auto missing = download(server.url("/"), options());
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_EQ(missing.error().message, "fetch source: HTTP 404 Not Found: NoSuchKey");
  EXPECT_EQ(error_of(server.url("/")), "fetch source: HTTP 410 Gone");
  EXPECT_EQ(error_of(server.url("/")), "fetch source: HTTP 304 Not Modified");
}

TEST_F(Download, ABodyThatEndsTooSoonIsNotASource) {
  auto how = options();
  how.attempts = 1;
  Answers plain({{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"},
                 {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}});
  EXPECT_EQ(error_of(plain.url("/"), how), "fetch source: the source was cut off at 5 of 10 bytes");
  EXPECT_EQ(error_of(plain.url("/"), how), "fetch source: the answer was cut off");
  // Over TLS an end without a word may be somebody who cut the line.
  Answers tls({{"HTTP/1.1 200 OK\r\n\r\nhello", false}, {"HTTP/1.1 200 OK\r\n\r\nhello"}}, &good_);
  EXPECT_EQ(error_of(tls.url("/"), how), "fetch source: the answer was cut off");
  EXPECT_EQ(text_of(tls.url("/"), how), "hello");
}

TEST_F(Download, WhatIsTooLargeIsRefusedBeforeItIsReadWhereItSaysSo) {
  auto how = options();
  how.max_bytes = 1000;
  std::string more(1001, 'x');
  Answers server({{"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"},
                  {"HTTP/1.1 200 OK\r\n\r\n" + more},
                  {"HTTP/1.1 200 OK\r\n\r\n" + more.substr(1)}});
  for (int i = 0; i < 2; ++i) {
    auto refused = download(server.url("/"), how);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "payload_too_large");
    EXPECT_EQ(refused.error().message, "fetch source: larger than 1000 bytes");
  }
  EXPECT_EQ(text_of(server.url("/"), how).size(), 1000U);
}

TEST_F(Download, WhatMayPassIsTriedAgainAFewTimes) {
  Answers server({{"HTTP/1.1 503 x\r\n\r\n"},
                  {""},
                  {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nlonger"},
                  {kHello}},
                 &good_);
  EXPECT_EQ(text_of(server.url("/")), "hello");
  Answers busy({{"HTTP/1.1 429 x\r\n\r\n<Code>SlowDown</Code>"},
                {"HTTP/1.1 500 x\r\n\r\n"},
                {"HTTP/1.1 502 x\r\n\r\n"},
                {"HTTP/1.1 429 x\r\n\r\n<Code>SlowDown</Code>"},
                {kHello}});
  auto refused = download(busy.url("/"), options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_EQ(refused.error().message, "fetch source: HTTP 429 Too Many Requests: SlowDown");
  EXPECT_EQ(busy.heads().size(), 4U);
}

TEST_F(Download, WhereNobodyListensTheConnectionIsRefused) {
  std::string url;
  {
    Answers gone({});
    url = gone.url("/", "127.0.0.1");
  }
  auto refused = download(url, options());
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_EQ(refused.error().message, "fetch source: connect to 127.0.0.1: Connection refused");
}

// A label of 64 letters is no name, so that nobody is asked for it.
TEST_F(Download, AHostThatIsNotFoundIsNamed) {
  std::string host = std::string(64, 'a') + ".test";
  std::string said = error_of("http://" + host + "/?5ecret");
  EXPECT_TRUE(said.starts_with("fetch source: look up " + host + ": ")) << said;
  EXPECT_EQ(said.find("5ecret"), std::string::npos);
}

TEST_F(Download, EveryAddressIsAskedFor) {
  Answers server({{kHello}});
  auto how = options();
  how.allowed = [](const sockaddr&) { return false; };
  std::string said = error_of(server.url("/", "127.0.0.1"), how);
  EXPECT_EQ(said, "source dial to 127.0.0.1 is not allowed");
  EXPECT_EQ(server.heads().size(), 0U);
}

TEST_F(Download, EveryWaitHasAnEnd) {
  struct Case {
    std::string sent;
    milliseconds idle;
    milliseconds whole;
    Errc code;
  };
  const milliseconds kShort(80);
  const milliseconds kLong(60'000);
  for (const Case& one :
       {Case{"", kShort, kLong, Errc::unavailable},
        Case{"", kLong, kShort, Errc::deadline_exceeded},
        Case{"HTTP/1.1 200 OK\r\n\r\nhel", kShort, kLong, Errc::unavailable},
        Case{"HTTP/1.1 200 OK\r\n\r\nhel", kLong, kShort, Errc::deadline_exceeded}}) {
    Answers server({{one.sent, true, true}}, &good_);
    auto how = options();
    how.attempts = 1;
    how.idle_timeout = one.idle;
    how.timeout = one.whole;
    auto got = download(server.url("/"), how);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, one.code) << got.error().message;
  }
  // One that takes the connection and never says a word of TLS.
  Answers mute({{"", true, true}});
  auto how = options();
  how.attempts = 1;
  how.connect_timeout = kShort;
  EXPECT_EQ(error_of("https://localhost:" + mute.port() + "/", how),
            "fetch source: took too long: the TLS handshake");
}

TEST_F(Download, EndsWhenItIsToldTo) {
  Answers server({{"HTTP/1.1 200 OK\r\n\r\nhel", true, true}}, &good_);
  auto how = options();
  how.stop = [&] { return server.heads().size() == 1; };
  EXPECT_EQ(download(server.url("/"), how).error().code, Errc::cancelled);
}

TEST(StoreError, IsReadTolerantly) {
  EXPECT_EQ(store_error("<Error><Code>NoSuchKey</Code></Error>"), "NoSuchKey");
  EXPECT_EQ(store_error("<Code>ExpiredToken</Code>"), "ExpiredToken, the URL has expired");
  EXPECT_EQ(store_error("<Code> SlowDown"), "SlowDown");
  for (const char* text : {"", "<html>no</html>", "<Code>", "<Code></Code>", "<Code>?a=b</Code>"})
    EXPECT_EQ(store_error(text), "") << text;
  EXPECT_EQ(store_error("<Code>" + std::string(65, 'a')), "");
}

}  // namespace
}  // namespace vibed::http
