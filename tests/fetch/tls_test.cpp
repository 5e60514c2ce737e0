// https with authorities, client certificates and server names of the caller's.
#include <gtest/gtest.h>

#include "fetch/fetch.hpp"
#include "fetch/scripted_server.hpp"
#include "fetch/tls_server.hpp"

namespace vibed::fetch {
namespace {

using testing::Authority;
using testing::KeyPair;
using testing::ok_answer;
using testing::Script;
using testing::ScriptedServer;
using testing::Seen;
using testing::TlsServer;

Result<Response> get(Client& client, const std::string& url, const Tls& tls) {
  return client.send({.url = url, .tls = std::make_shared<const Tls>(tls)});
}

class TlsTest : public ::testing::Test {
 protected:
  Authority authority_;
  std::unique_ptr<Client> client_ = make_client();
};

TEST_F(TlsTest, AServerOfTheGivenAuthorityIsTrusted) {
  TlsServer server(authority_, "server.test", false);
  auto answer = get(*client_, server.url(), {.authorities = authority_.certificate()});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "||127.0.0.1:" + std::to_string(server.port()));
}

TEST_F(TlsTest, AServerOfAnotherAuthorityIsNot) {
  TlsServer server(authority_, "server.test", false);
  const Authority other;
  auto answer = get(*client_, server.url(), {.authorities = other.certificate()});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::unavailable);
  EXPECT_FALSE(get(*client_, server.url(), {}));  // nor is it of the system's
}

TEST_F(TlsTest, NotCheckingIsPossibleIfSaid) {
  TlsServer server(authority_, "server.test", false);
  EXPECT_TRUE(get(*client_, server.url(), {.insecure = true}));
  EXPECT_FALSE(get(*client_, server.url(), {})) << "on the connection that is still open";
}

TEST_F(TlsTest, AClientShowsItsCertificate) {
  TlsServer server(authority_, "server.test", true);
  const KeyPair jo = authority_.issue("jo");
  auto answer =
      get(*client_, server.url(),
          {.authorities = authority_.certificate(), .certificate = jo.certificate, .key = jo.key});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(answer->body.starts_with("|jo|")) << answer->body;
  EXPECT_FALSE(get(*client_, server.url(), {.authorities = authority_.certificate()}));
}

TEST_F(TlsTest, AnotherCertificateMeansAnotherConnection) {
  TlsServer server(authority_, "server.test", true);
  const auto ask = [&](const KeyPair& pair) {
    auto answer = get(*client_, server.url(),
                      {.authorities = authority_.certificate(),
                       .certificate = pair.certificate,
                       .key = pair.key});
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? answer->body.substr(1, 2) : "";
  };
  const KeyPair jo = authority_.issue("jo");
  EXPECT_EQ(ask(jo), "jo");
  EXPECT_EQ(ask(jo), "jo");
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(ask(authority_.issue("al")), "al");
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(TlsTest, AServerIsAskedAndCheckedForTheGivenName) {
  TlsServer server(authority_, "server.test", false);
  Tls tls{.authorities = authority_.certificate(), .server_name = "server.test"};
  auto answer = get(*client_, server.url(), tls);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "server.test||127.0.0.1:" + std::to_string(server.port()));
  tls.server_name = "other.test";
  EXPECT_FALSE(get(*client_, server.url(), tls));
  tls.server_name = "bad\r\nname";
  EXPECT_EQ(get(*client_, server.url(), tls).error().code, Errc::invalid_argument);
}

TEST_F(TlsTest, WhatIsNoCertificateIsSaidBeforeAnythingIsSent) {
  TlsServer server(authority_, "server.test", false);
  auto answer = get(*client_, server.url(), {.certificate = "x", .key = "y"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::invalid_argument);
  EXPECT_EQ(get(*client_, server.url(), {.authorities = "x"}).error().code, Errc::invalid_argument);
}

TEST(FetchReuse, ARepeatablePostUsesAKeptConnectionAndAnyOtherDoesNot) {
  ScriptedServer server([](const Seen&) { return Script{ok_answer("")}; });
  auto client = make_client();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(
        client->send({.method = "POST", .url = server.url(), .body = "x", .repeatable = true}));
  }
  EXPECT_EQ(server.connections(), 1);
  ASSERT_TRUE(client->send({.method = "POST", .url = server.url(), .body = "x"}));
  EXPECT_EQ(server.connections(), 2);
}

TEST(FetchData, OfAFailureIsKeptWhenOnlySuccessIsWanted) {
  int status = 404;
  ScriptedServer server([&](const Seen&) {
    return Script{"HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 3\r\n\r\nabc"};
  });
  auto client = make_client();
  std::string got;
  std::vector<int> heads;
  Request request{.url = server.url(), .on_data = [&](std::string_view bytes) {
                    got += bytes;
                    return true;
                  }};
  request.on_data_of_success = true;
  request.on_head = [&](int head) {
    EXPECT_EQ(got, "") << "before the body";
    heads.push_back(head);
  };
  auto failed = client->send(request);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->body, "abc");
  status = 200;
  auto good = client->send(request);
  ASSERT_TRUE(good);
  EXPECT_EQ(good->body, "");
  EXPECT_EQ(got, "abc");
  EXPECT_EQ(heads, (std::vector<int>{404, 200}));
}

TEST(FetchProxy, ThatIsGivenIsUsed) {
  ScriptedServer proxy([](const Seen& seen) {
    return Script{ok_answer(seen.head.substr(0, seen.head.find('\r')))};
  });
  auto answer = make_client()->send({.url = "http://api.test/x", .proxy = proxy.url()});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "GET http://api.test/x HTTP/1.1");
}

}  // namespace
}  // namespace vibed::fetch
