#include "fetch/fetch.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <latch>
#include <thread>

#include "fetch/scripted_server.hpp"
#include "support/temp_dir.hpp"

namespace vibed::fetch {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::ok_answer;
using testing::Script;
using testing::ScriptedServer;
using testing::Seen;
using testing::TempDir;

TEST(Fetch, ReturnsStatusHeadersAndBody) {
  ScriptedServer server([](const Seen&) {
    return Script{"HTTP/1.1 418 Teapot\r\nX-One:  two \r\nContent-Length: 3\r\n\r\nabc"};
  });
  auto answer = make_client()->send({.url = server.url() + "/x"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 418);
  EXPECT_EQ(answer->header("x-ONE"), "two");
  EXPECT_EQ(answer->header("absent"), "");
  EXPECT_EQ(answer->body, "abc");
}

TEST(Fetch, SendsMethodPathAndHeadersAsGiven) {
  ScriptedServer server([](const Seen& seen) { return Script{ok_answer(seen.head)}; });
  auto answer = make_client()->send({.method = "DELETE",
                                     .url = server.url() + "/a/../b%2fc",
                                     .headers = {{"X-A", "1"}, {"X-Empty", ""}}});
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->body.starts_with("DELETE /a/../b%2fc HTTP/1.1\r\n")) << answer->body;
  EXPECT_NE(answer->body.find("X-A: 1\r\n"), std::string::npos);
  EXPECT_NE(answer->body.find("X-Empty:\r\n"), std::string::npos);
}

TEST(Fetch, PostsABodyWithoutExpectAndWithoutInventingAContentType) {
  ScriptedServer server(
      [](const Seen& seen) { return Script{ok_answer(seen.head + "|" + seen.body)}; });
  const std::string body(2'000'000, 'b');
  auto answer = make_client()->send({.method = "POST", .url = server.url(), .body = body});
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->body.ends_with("|" + body));
  EXPECT_EQ(answer->body.find("Expect"), std::string::npos);
  EXPECT_EQ(answer->body.find("Content-Type"), std::string::npos);
}

TEST(Fetch, AnEmptyPostHasAContentLength) {
  ScriptedServer server([](const Seen& seen) { return Script{ok_answer(seen.head)}; });
  auto answer = make_client()->send({.method = "POST", .url = server.url()});
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->body.find("Content-Length: 0"), std::string::npos) << answer->body;
}

TEST(Fetch, StreamsASourceOfKnownSizeAndTellsItsProgress) {
  ScriptedServer server([](const Seen& seen) {
    return Script{ok_answer(std::to_string(seen.body.size()) + seen.head)};
  });
  const std::string body(3'000'000, 's');
  auto source = make_memory_source(body);
  std::int64_t last = 0;
  Request request{.method = "POST", .url = server.url()};
  request.body_source = source.get();
  request.body_size = 3'000'000;
  request.on_upload = [&](std::int64_t sent, std::int64_t total) {
    EXPECT_GE(sent, last);
    EXPECT_EQ(total, 3'000'000);
    last = sent;
  };
  auto answer = make_client()->send(request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->body.starts_with("3000000POST / ")) << answer->body;
  EXPECT_EQ(answer->body.find("Expect"), std::string::npos);
  EXPECT_EQ(last, 3'000'000);
}

TEST(Fetch, StreamsASourceOfUnknownSizeInChunks) {
  ScriptedServer server([](const Seen& seen) { return Script{ok_answer(seen.body)}; });
  auto source = make_memory_source("hello");
  Request request{.method = "POST", .url = server.url()};
  request.body_source = source.get();
  auto answer = make_client()->send(request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "5\r\nhello\r\n0\r\n\r\n");
}

class BrokenSource final : public ByteSource {
 public:
  Result<std::size_t> read(std::span<char>) override {
    return Error{Errc::internal, "disk on fire", "storage_full"};
  }
};

TEST(Fetch, TellsWhyASourceCouldNotBeRead) {
  ScriptedServer server([](const Seen&) { return Script{ok_answer("")}; });
  BrokenSource source;
  Request request{.method = "POST", .url = server.url()};
  request.body_source = &source;
  request.body_size = 10;
  auto answer = make_client()->send(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "storage_full");
  EXPECT_EQ(answer.error().message, "read the request body: disk on fire");
}

TEST(Fetch, ReadsAnEarlyRefusalWhileTheBodyIsStillGoingOut) {
  ScriptedServer server([](const Seen&) {
    return Script{"HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"};
  });
  const std::string body(40'000'000, 'x');
  auto source = make_memory_source(body);
  Request request{.method = "POST", .url = server.url(), .headers = {{"X-Early", "1"}}};
  request.body_source = source.get();
  request.body_size = 40'000'000;
  auto answer = make_client()->send(request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(answer->body, "no");
}

TEST(Fetch, DialsAUnixSocketAndSendsTheUrlsHost) {
  const TempDir folder;
  ScriptedServer server([](const Seen& seen) { return Script{ok_answer(seen.head)}; },
                        folder / "s.sock");
  auto answer =
      make_client()->send({.url = "http://agent/healthz", .unix_socket = folder / "s.sock"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_NE(answer->body.find("Host: agent\r\n"), std::string::npos);
}

TEST(Fetch, GivesThePiecesOfAStreamAsTheyCome) {
  std::latch first_seen(1);
  std::atomic<int> step = 0;
  ScriptedServer server([&](const Seen&) {
    if (step++ == 0) return Script{"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none"};
    return Script{};
  });
  std::string got;
  std::stop_source stop;
  Request request{.url = server.url(), .stop = stop.get_token()};
  request.on_data = [&](std::string_view piece) {
    got += piece;
    stop.request_stop();  // the rest never comes
    return true;
  };
  auto answer = make_client()->send(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::cancelled);
  EXPECT_EQ(got, "one");
}

TEST(Fetch, EndsSuccessfullyWhenTheReaderHasHadEnough) {
  ScriptedServer server(
      [](const Seen&) { return Script{"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\nfirst"}; });
  Request request{.url = server.url()};
  request.on_data = [&](std::string_view) { return false; };
  auto answer = make_client()->send(request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
}

TEST(Fetch, RefusesAnAnswerThatIsTooLarge) {
  ScriptedServer server([](const Seen&) { return Script{ok_answer(std::string(2000, 'x'))}; });
  auto answer = make_client()->send({.url = server.url(), .max_body_bytes = 1999});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::resource_exhausted);
}

TEST(Fetch, OfARefusedPortIsUnavailable) {
  std::string url;
  {
    ScriptedServer gone([](const Seen&) { return Script{}; });
    url = gone.url();
  }
  auto answer = make_client()->send({.url = url});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::unavailable);
  EXPECT_NE(answer.error().message.find(url), std::string::npos);
}

TEST(Fetch, OfAMissingSocketIsUnavailable) {
  const TempDir folder;
  auto answer = make_client()->send({.url = "http://x/", .unix_socket = folder / "none"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::unavailable);
}

TEST(Fetch, OfASocketPathThatIsTooLongSaysSo) {
  auto answer =
      make_client()->send({.url = "http://x/", .unix_socket = "/tmp/" + std::string(120, 'a')});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "path_too_long");
}

TEST(Fetch, RefusesAHeaderWithALineBreak) {
  auto answer =
      make_client()->send({.url = "http://127.0.0.1:1/", .headers = {{"X", "a\r\nEvil: 1"}}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::invalid_argument);
}

TEST(Fetch, GivesUpAtItsTimeout) {
  ScriptedServer server([](const Seen&) { return Script{}; });
  const auto start = steady_clock::now();
  auto answer = make_client()->send({.url = server.url(), .timeout = milliseconds(150)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::deadline_exceeded);
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Fetch, AStopEndsAWaitAtOnce) {
  std::stop_source stop;
  ScriptedServer server([&](const Seen&) {
    return Script{.bytes = "", .close = false, .before = [&] { stop.request_stop(); }};
  });
  const auto start = steady_clock::now();
  auto answer = make_client()->send(
      {.url = server.url(), .timeout = milliseconds(0), .stop = stop.get_token()});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::cancelled);
  EXPECT_LT(steady_clock::now() - start, milliseconds(900));  // less than one poll
}

TEST(Fetch, KeepsConnectionsBetweenGets) {
  ScriptedServer server([](const Seen&) { return Script{ok_answer("x")}; });
  auto client = make_client();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client->send({.url = server.url()}));
  EXPECT_EQ(server.connections(), 1);
}

TEST(Fetch, NeverSendsAPostTwice) {
  // A server that closes kept connections just as they are used again.
  std::atomic<int> posts = 0;
  ScriptedServer server([&](const Seen& seen) {
    if (seen.head.starts_with("GET")) return Script{ok_answer("x")};
    ++posts;
    return Script{"", true};
  });
  auto client = make_client();
  ASSERT_TRUE(client->send({.url = server.url()}));
  auto answer = client->send({.method = "POST", .url = server.url(), .body = "x"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::unavailable);
  EXPECT_EQ(posts, 1);
}

TEST(Fetch, DoesNotFollowRedirects) {
  ScriptedServer server([](const Seen&) {
    return Script{"HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n"};
  });
  auto answer = make_client()->send({.url = server.url()});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 302);
}

TEST(Fetch, IgnoresAProxyOfTheEnvironment) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ScriptedServer server([](const Seen&) { return Script{ok_answer("direct")}; });
  auto answer = make_client()->send({.url = server.url()});
  ::unsetenv("http_proxy");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "direct");
}

TEST(Fetch, AHeadHasNoBodyToWaitFor) {
  ScriptedServer server(
      [](const Seen&) { return Script{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"}; });
  auto answer = make_client()->send({.method = "HEAD", .url = server.url()});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
}

TEST(Fetch, OfWhatIsNotAUrlIsInvalid) {
  auto answer = make_client()->send({.url = "file:///etc/passwd"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::invalid_argument);
}

TEST(Fetch, ServesManyThreadsAtOnce) {
  ScriptedServer server([](const Seen& seen) { return Script{ok_answer(seen.head)}; });
  auto client = make_client();
  std::atomic<int> good = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string path = "/" + std::to_string(t) + "-" + std::to_string(i) + " ";
        auto answer = client->send({.url = server.url() + path.substr(0, path.size() - 1)});
        if (answer && answer->body.find(path) != std::string::npos) ++good;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(good, 320);
}

}  // namespace
}  // namespace vibed::fetch
