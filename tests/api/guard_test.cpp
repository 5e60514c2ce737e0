#include "api/guard.hpp"

#include <gtest/gtest.h>

namespace vibed::api {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

bool allowed(const Fields& fields, const std::string& method = "GET",
             const std::string& local = "127.0.0.1:8080") {
  http::Request request;
  request.method = method;
  request.local = local;
  for (const auto& [name, value] : fields) request.headers.add(name, value);
  auto checked = check_host(request, {"vibed.example", "vibed.example:8443"}, false);
  EXPECT_TRUE(checked || checked.error().reason == "foreign_host");
  return checked.ok();
}

TEST(Guard, OnlyTheApisOwnNamesAreHosts) {
  for (const char* host : {"127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080",
                           "vibed.example", "vibed.example:8443"}) {
    EXPECT_TRUE(allowed({{"Host", host}})) << host;
  }
  for (const char* host :
       {"", "localhost", "127.0.0.1", "localhost:18080", "localhost:80800", "x.localhost:8080",
        "evil.example:8080", "127.0.0.1.evil.example:8080", "127.0.0.2:8080", "0.0.0.0:8080",
        "localhost.:8080", "vibed.example:1"}) {
    EXPECT_FALSE(allowed({{"Host", host}})) << host;
  }
  EXPECT_FALSE(allowed({}));
}

TEST(Guard, OnPort80ThePortMayBeLeftOut) {
  EXPECT_TRUE(allowed({{"Host", "localhost"}}, "GET", "127.0.0.1:80"));
  EXPECT_TRUE(allowed({{"Host", "[::1]"}}, "GET", "[::1]:80"));
}

TEST(Guard, AUnixSocketTakesAnyHost) {
  EXPECT_TRUE(allowed({{"Host", "whatever"}}, "GET", "unix"));
  EXPECT_FALSE(allowed({{"Host", "whatever"}, {"Origin", "http://else"}}, "GET", "unix"));
}

TEST(Guard, AnOriginMustBeTheVeryHost) {
  const std::pair<std::string, std::string> host{"Host", "localhost:8080"};
  EXPECT_TRUE(allowed({host, {"Origin", "http://localhost:8080"}}, "POST"));
  for (const char* origin :
       {"null", "", "http://localhost", "http://localhost:18080", "http://x.localhost:18080",
        "http://x.localhost:8080", "http://127.0.0.1:8080", "http://localhost:8080.evil",
        "http://localhost:8080/", "file://"}) {
    EXPECT_FALSE(allowed({host, {"Origin", origin}}, "GET")) << origin;
    EXPECT_FALSE(allowed({host, {"Origin", origin}}, "POST")) << origin;
  }
  EXPECT_FALSE(allowed({host, {"Origin", "http://localhost:8080"}, {"Origin", "http://evil"}}));
}

TEST(Guard, OtherSitesMayOnlyLinkHere) {
  const std::pair<std::string, std::string> host{"Host", "localhost:8080"};
  for (const char* method : {"GET", "POST", "DELETE"}) {
    EXPECT_TRUE(allowed({host, {"Sec-Fetch-Site", "same-origin"}}, method));
    EXPECT_TRUE(allowed({host, {"Sec-Fetch-Site", "none"}}, method));
    EXPECT_FALSE(allowed({host, {"Sec-Fetch-Site", "cross-site"}}, method));
    EXPECT_FALSE(allowed({host, {"Sec-Fetch-Site", "same-site"}}, method));
    EXPECT_FALSE(allowed({host, {"Sec-Fetch-Site", "nonsense"}}, method));
  }
  const std::pair<std::string, std::string> mode{"Sec-Fetch-Mode", "navigate"};
  EXPECT_TRUE(allowed({host, {"Sec-Fetch-Site", "cross-site"}, mode}, "GET"));
  EXPECT_FALSE(allowed({host, {"Sec-Fetch-Site", "cross-site"}, mode}, "POST"));
}

TEST(Guard, AnyHostStillRefusesOtherOrigins) {
  http::Request request;
  request.method = "POST";
  request.local = "0.0.0.0:8080";
  request.headers.set("Host", "vibed.corp");
  EXPECT_FALSE(check_host(request, {}, false));
  EXPECT_TRUE(check_host(request, {}, true));
  request.headers.set("Origin", "https://app.corp");
  EXPECT_FALSE(check_host(request, {}, true));
}

class GuardOfCallers : public ::testing::Test {
 protected:
  GuardOfCallers() {
    Config::Auth config;
    config.enabled = true;
    config.api_keys = {{"secret", "ci", "user"}};
    authenticator_ = *auth::Authenticator::make(config);
  }

  bool passes(const std::string& path, const std::string& authorization = "") {
    http::Request request;
    request.path = path;
    if (!authorization.empty()) request.headers.add("Authorization", authorization);
    auto checked = check_caller(authenticator_, request);
    EXPECT_TRUE(checked || checked.error().code == Errc::unauthenticated);
    return checked.ok();
  }

  auth::Authenticator authenticator_;
};

TEST_F(GuardOfCallers, OnlyHealthAndMetricsAreForEverybody) {
  for (const char* path : {"/v1/apps", "/v1/deploy", "/v1/", "/api/whoami", "/mcp", "/mcp/x"}) {
    EXPECT_FALSE(passes(path)) << path;
    EXPECT_FALSE(passes(path, "Bearer wrong")) << path;
    EXPECT_TRUE(passes(path, "Bearer secret")) << path;
  }
  for (const char* path :
       {"/healthz", "/readyz", "/metrics", "/", "/mcphail", "/internal/sources/x.tar.gz"}) {
    EXPECT_TRUE(passes(path)) << path;
  }
}

TEST_F(GuardOfCallers, TwoAnswersToWhoIsCallingAreNone) {
  http::Request request;
  request.path = "/v1/apps";
  request.headers.add("Authorization", "Bearer secret");
  EXPECT_TRUE(check_caller(authenticator_, request));
  request.headers.add("X-Forwarded-User", "anna");
  request.headers.add("X-Forwarded-User", "bob");
  EXPECT_FALSE(check_caller(authenticator_, request));
}

}  // namespace
}  // namespace vibed::api
