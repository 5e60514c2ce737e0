#include "http/server.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <latch>
#include <mutex>
#include <thread>

#include "base/error_codes.hpp"
#include "support/raw_client.hpp"
#include "support/temp_dir.hpp"

namespace vibed::http {
namespace {

using testing::RawClient;

Response text(std::string body) {
  Response response;
  response.body = std::move(body);
  return response;
}

Router echo_router() {
  Router router;
  router.add("GET", "/hello", [](Request&) { return text("hello"); });
  router.add("POST", "/echo", [](Request& request) { return text(request.body); },
             {BodyMode::memory, 1000});
  router.add("POST", "/spool",
             [](Request& request) {
               std::string bytes(request.body_file->size(), '\0');
               EXPECT_EQ(::pread(request.body_file->fd(), bytes.data(), bytes.size(), 0),
                         static_cast<ssize_t>(bytes.size()));
               return text(std::to_string(bytes.size()) + ":" + bytes.substr(0, 10));
             },
             {BodyMode::spool, 10'000'000});
  router.add("GET", "/stream", [](Request&) {
    Response response;
    response.stream = [](ResponseWriter& writer) {
      writer.write("one ");
      writer.write("");
      writer.write("two");
    };
    return response;
  });
  router.add("GET", "/sized", [](Request&) {
    Response response;
    response.stream_length = 3;
    response.stream = [](ResponseWriter& writer) { writer.write("abc"); };
    return response;
  });
  router.add("GET", "/short", [](Request&) {
    Response response;
    response.stream_length = 4;
    response.stream = [](ResponseWriter& writer) { writer.write("abc"); };
    return response;
  });
  router.add("GET", "/throw", [](Request&) -> Response { throw std::runtime_error("secret"); });
  router.add("GET", "/item/{name}",
             [](Request& request) { return text(request.parameters["name"]); });
  return router;
}

class HttpServer : public ::testing::Test {
 protected:
  void start(ServerOptions options = {}, Router router = echo_router()) {
    options.spool_directory = dir_.path();
    auto server = start_server("127.0.0.1:0", std::move(router), std::move(options));
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  testing::RawAnswer ask(std::string_view bytes, bool head_only = false) {
    RawClient client(server_->address());
    client.send(bytes);
    return client.answer(head_only);
  }
  // The status of a request after which the server must have closed the connection.
  int refusal(std::string_view bytes) {
    RawClient client(server_->address());
    client.send(bytes);
    auto answer = client.answer();
    EXPECT_TRUE(client.at_end()) << bytes;
    return answer.status;
  }

  testing::TempDir dir_;
  std::unique_ptr<Server> server_;
};

TEST_F(HttpServer, AnswersAndKeepsTheConnection) {
  start();
  RawClient client(server_->address());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    auto answer = client.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello");
  }
}

TEST_F(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  start();
  RawClient client(server_->address());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\nHost: "
      "x\r\n\r\n"
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
      "GET /item/z HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.answer().body, "abc");
  EXPECT_EQ(client.answer().body, "hello");
  EXPECT_EQ(client.answer().body, "def");
  EXPECT_EQ(client.answer().body, "z");
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServer, HeadHasTheLengthAndNoBody) {
  start();
  RawClient client(server_->address());
  client.send(
      "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nHEAD /sized HTTP/1.1\r\nHost: x\r\n\r\nGET /hello "
      "HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.answer(true).head.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_NE(client.answer(true).head.find("Content-Length: 3\r\n"), std::string::npos);
  EXPECT_EQ(client.answer().body, "hello");
}

TEST_F(HttpServer, UnknownPathsAndMethodsAreToldApart) {
  start();
  auto missing = ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(missing.status, 404);
  EXPECT_NE(missing.body.find("\"not_found\""), std::string::npos);
  auto wrong = ask("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_NE(wrong.head.find("Allow: GET, HEAD\r\n"), std::string::npos);
}

TEST_F(HttpServer, AThrowingHandlerIsA500ThatTellsNothing) {
  start();
  auto answer = ask("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
}

TEST_F(HttpServer, LargeBodiesGoToAFileWithoutAName) {
  start();
  std::string body(5'000'000, 'q');
  auto answer = ask("POST /spool HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n" + body);
  EXPECT_EQ(answer.body, "5000000:qqqqqqqqqq");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_.path()), {}), 0);
  EXPECT_EQ(ask("POST /spool HTTP/1.1\r\nHost: x\r\n\r\n").body, "0:");
}

TEST_F(HttpServer, ABodyOverTheLimitIs413AndTheClientGetsToReadIt) {
  start();
  std::string body(20'000'000, 'q');
  auto declared = ask("POST /spool HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n" + body);
  EXPECT_EQ(declared.status, 413);
  EXPECT_NE(declared.body.find("\"payload_too_large\""), std::string::npos);
  auto chunked =
      ask("POST /spool HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1312d00\r\n" +
          body + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.status, 413);
  EXPECT_EQ(refusal("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" +
                    std::string(1001, 'a')),
            413);
}

TEST_F(HttpServer, ContinueIsSentOnlyWhenTheBodyIsWanted) {
  start();
  RawClient client(server_->address());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.answer().status, 100);
  client.send("abc");
  EXPECT_EQ(client.answer().body, "abc");
  EXPECT_EQ(
      ask("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3000\r\n\r\n")
          .status,
      413);
}

TEST_F(HttpServer, ShapesThatSmuggleRequestsAreRefusedAndClose) {
  start();
  const std::string post = "POST /echo HTTP/1.1\r\nHost: x\r\n";
  for (const std::string& bytes : {
           post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
           post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
           post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
           post + "Content-Length: 3, 3\r\n\r\nabc",
           post + "Content-Length: +3\r\n\r\nabc",
           post + "Content-Length: -3\r\n\r\nabc",
           post + "Content-Length: 0x3\r\n\r\nabc",
           post + "Content-Length: 99999999999999999999999\r\n\r\nabc",
           post + "Content-Length: \r\n\r\nabc",
           post + "Content-Length : 3\r\n\r\nabc",
           post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
           post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           post + "Transfer-Encoding:\x0b"
                  "chunked\r\n\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
           post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n",
           post + "X: a\r\n b\r\n\r\n",
           post + " X: a\r\n\r\n",
           post + "X: a\nY: b\r\n\r\n",
           post + "X: a\rY: b\r\n\r\n",
           post + std::string("X: a\0b\r\n\r\n", 10),
           post + "Host: y\r\n\r\n",
           post + "nocolon\r\n\r\n",
           post + ": empty\r\n\r\n",
           std::string("GET /hello HTTP/1.1\r\n\r\n"),
           std::string("GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n"),
           std::string("GET /hello HTTP/1.1\r\nHost: a@b\r\n\r\n"),
           std::string("GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("GET /hello  HTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("GET /hello\tHTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("GET /hel\x80lo HTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("GET hello HTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("GET /a?b=%1 HTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("GET /hello HTTP/2.0\r\nHost: x\r\n\r\n"),
           std::string("GET /hello\r\nHost: x\r\n\r\n"),
           std::string("G@T /hello HTTP/1.1\r\nHost: x\r\n\r\n"),
           std::string("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
           post + "Expect: miracles\r\n\r\n",
       }) {
    EXPECT_EQ(refusal(bytes), 400) << bytes;
  }
}

TEST_F(HttpServer, AbsoluteFormNamesTheHost) {
  Router router;
  router.add("GET", "/x",
             [](Request& request) { return text(std::string(request.headers.get("host"))); });
  start({}, std::move(router));
  EXPECT_EQ(ask("GET http://real:80/x HTTP/1.1\r\nHost: other\r\n\r\n").body, "real:80");
}

TEST_F(HttpServer, AHeadThatIsTooLargeIs431) {
  start();
  EXPECT_EQ(
      refusal("GET /hello HTTP/1.1\r\nHost: x\r\nX: " + std::string(70'000, 'a') + "\r\n\r\n"),
      431);
  EXPECT_EQ(
      ask("GET /hello HTTP/1.1\r\nHost: x\r\nX: " + std::string(60'000, 'a') + "\r\n\r\n").status,
      200);
}

TEST_F(HttpServer, SlowHeadsAndBodiesAre408) {
  ServerOptions options;
  options.head_timeout = std::chrono::seconds(1);
  options.body_timeout = std::chrono::seconds(1);
  start(options);
  EXPECT_EQ(refusal("GET /hello HTTP/1.1\r\nHo"), 408);
  EXPECT_EQ(refusal("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na"), 408);
}

TEST_F(HttpServer, StreamsAreChunkedAndTheConnectionGoesOn) {
  start();
  RawClient client(server_->address());
  client.send(
      "GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /sized HTTP/1.1\r\nHost: x\r\n\r\nGET /hello "
      "HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.answer().body, "one two");
  EXPECT_EQ(client.answer().body, "abc");
  EXPECT_EQ(client.answer().body, "hello");
}

TEST_F(HttpServer, OldClientsGetStreamsWithoutChunks) {
  start();
  RawClient client(server_->address());
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  auto answer = client.answer();
  EXPECT_EQ(answer.body, "one two");
  EXPECT_EQ(answer.head.find("chunked"), std::string::npos);
}

TEST_F(HttpServer, AStreamThatFallsShortEndsTheConnection) {
  start();
  RawClient client(server_->address());
  client.send("GET /short HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_FALSE(client.answer().complete);
}

TEST_F(HttpServer, AStreamLearnsThatTheClientHungUp) {
  Router router;
  std::promise<bool> closed;
  router.add("GET", "/", [&](Request&) {
    Response response;
    response.stream = [&](ResponseWriter& writer) {
      EXPECT_FALSE(writer.closed());
      writer.write("x");
      while (!writer.closed()) std::this_thread::yield();
      closed.set_value(true);
    };
    return response;
  });
  start({}, std::move(router));
  RawClient client(server_->address());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("x");
  client.hang_up();
  EXPECT_TRUE(closed.get_future().get());
}

TEST_F(HttpServer, AStreamStopsWhenNobodyTakesIt) {
  Router router;
  std::promise<void> failed;
  router.add("GET", "/", [&](Request&) {
    Response response;
    response.stream = [&](ResponseWriter& writer) {
      std::string chunk(100'000, 'x');
      while (writer.write(chunk)) {
      }
      failed.set_value();
    };
    return response;
  });
  start({}, std::move(router));
  RawClient client(server_->address());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  client.read_until("xxx");
  client.hang_up();
  failed.get_future().get();
}

TEST_F(HttpServer, TheGuardAnswersBeforeTheBodyIsRead) {
  ServerOptions options;
  options.guard = [](const Request& request) -> std::unique_ptr<Response> {
    if (request.headers.get("host") == "good") return nullptr;
    return std::make_unique<Response>(error_response(make_error("foreign_host", "no")));
  };
  start(options);
  EXPECT_EQ(
      refusal(
          "POST /echo HTTP/1.1\r\nHost: bad\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
      403);
  EXPECT_EQ(ask("GET /hello HTTP/1.1\r\nHost: good\r\n\r\n").status, 200);
}

TEST_F(HttpServer, EveryAnswerIsObserved) {
  ServerOptions options;
  std::mutex mutex;
  std::vector<std::string> seen;
  options.observe = [&](const std::string& method, const std::string& pattern, int status, double) {
    std::lock_guard lock(mutex);
    seen.push_back(method + " " + pattern + " " + std::to_string(status));
  };
  start(options);
  {
    RawClient client(server_->address());
    client.send(
        "GET /item/a HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\nConnection: "
        "close\r\n\r\n");
    client.answer();
    client.answer();
    EXPECT_TRUE(client.at_end());
  }
  server_.reset();
  EXPECT_EQ(seen, (std::vector<std::string>{"GET /item/{name} 200", "GET  404"}));
}

TEST_F(HttpServer, ConnectionsBeyondTheLimitWaitForAnEnd) {
  ServerOptions options;
  options.max_connections = 1;
  start(options);
  auto first = std::make_unique<RawClient>(server_->address());
  first->send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(first->answer().status, 200);
  RawClient second(server_->address());
  second.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  first.reset();
  EXPECT_EQ(second.answer().status, 200);
}

TEST_F(HttpServer, ManyClientsAtOnceAreAllServed) {
  start();
  std::atomic<int> served = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      RawClient client(server_->address());
      for (int k = 0; k < 50; ++k) {
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde");
        if (client.answer().body == "abcde") ++served;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(served, 16 * 50);
}

TEST_F(HttpServer, StoppingFinishesRunningHandlersAndClosesTheRest) {
  Router router;
  std::latch entered(1);
  router.add("GET", "/", [&](Request& request) {
    entered.count_down();
    while (!request.stop.stop_requested()) std::this_thread::yield();
    return text("done");
  });
  start({}, std::move(router));
  RawClient idle(server_->address());
  RawClient busy(server_->address());
  busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.wait();
  std::string address = server_->address();
  server_->stop();
  auto answer = busy.answer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_NE(answer.head.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(idle.at_end());
  server_.reset();
  EXPECT_FALSE(RawClient(address).connected());
}

TEST(HttpListener, AUnixSocketReplacesItsPredecessorAndIsPrivate) {
  testing::TempDir dir;
  std::string path = dir / "s.sock";
  auto first = start_server("unix:" + path, echo_router());
  ASSERT_TRUE(first);
  auto second = start_server("unix:" + path, echo_router());
  ASSERT_TRUE(second);
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  first->reset();  // must not take the successor's file along
  RawClient client("unix:" + path);
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.answer().body, "hello");
  second->reset();
  EXPECT_NE(::stat(path.c_str(), &info), 0);
}

TEST(HttpListener, AnInheritedSocketIsTakenOver) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(::listen(fd, 8), 0);
  auto server = start_server("fd:" + std::to_string(fd), echo_router());
  ASSERT_TRUE(server) << server.error().message;
  RawClient client((*server)->address());
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.answer().body, "hello");
  server->reset();
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
}

TEST(HttpListener, WhatCannotBeListenedOnIsAnError) {
  testing::TempDir dir;
  EXPECT_EQ(start_server("nonsense", {}).error().code, Errc::invalid_argument);
  EXPECT_EQ(start_server("127.0.0.1:99999", {}).error().code, Errc::invalid_argument);
  EXPECT_EQ(start_server("fd:0", {}).error().code, Errc::invalid_argument);
  EXPECT_EQ(start_server("unix:" + (dir / std::string(200, 'x')), {}).error().reason,
            "path_too_long");
  auto taken = start_server("127.0.0.1:0", {});
  ASSERT_TRUE(taken);
  EXPECT_EQ(start_server((*taken)->address(), {}).error().code, Errc::already_exists);
}

}  // namespace
}  // namespace vibed::http
