#include "auth/authenticator.hpp"

#include <gtest/gtest.h>

namespace vibed::auth {
namespace {

Config::Auth keys() {
  Config::Auth config;
  config.enabled = true;
  config.api_keys = {{"anna-secret", "anna", "user"}, {"root-secret", "root", "admin"}};
  return config;
}

Config::Auth proxy() {
  Config::Auth config = keys();
  config.mode = "oauth";
  config.trusted_proxies = {"10.0.0.0/8", "fd00::/8"};
  return config;
}

// "user", "user (admin)" or what is wrong.
std::string who(const Config::Auth& config, const Credentials& credentials) {
  auto made = Authenticator::make(config);
  EXPECT_TRUE(made) << made.error().message;
  auto caller = made->authenticate(credentials);
  if (caller) return caller->user + (caller->admin ? " (admin)" : "");
  EXPECT_EQ(caller.error().code, Errc::unauthenticated);
  return caller.error().message;
}

std::string refusal(const Config::Auth& config) {
  auto made = Authenticator::make(config);
  if (made) return "(none)";
  EXPECT_EQ(made.error().reason, "bad_config");
  return made.error().message;
}

TEST(Authenticator, LetsEverybodyBeAdminWhenItIsOff) {
  EXPECT_EQ(who({}, {}), "admin (admin)");
  EXPECT_EQ(who({}, {.authorization = "Bearer x", .forwarded_user = "bob"}), "admin (admin)");
  EXPECT_FALSE(Authenticator::make({})->enabled());
}

TEST(Authenticator, KnowsCallersByTheirKeys) {
  EXPECT_EQ(who(keys(), {.authorization = "Bearer anna-secret"}), "apikey-anna");
  EXPECT_EQ(who(keys(), {.authorization = "bEARER root-secret"}), "apikey-root (admin)");
  EXPECT_EQ(who(keys(), {.authorization = "Bearer anna-secret", .forwarded_user = "bob"}),
            "apikey-anna");
}

TEST(Authenticator, SaysWhatIsMissingAndNotWhatWasSent) {
  for (const char* header :
       {"", "Bearer", "Bearer ", "anna-secret", "Basic anna-secret", "Bearer anna-secret x",
        "Bearer  anna-secret", " Bearer anna-secret", "Bearer anna-secret "}) {
    EXPECT_EQ(who(keys(), {.authorization = header}), "no bearer token") << header;
  }
  for (const char* header : {"Bearer anna-secre", "Bearer anna-secretx", "Bearer ANNA-SECRET",
                             "Bearer apikey-anna", "Bearer anna"}) {
    EXPECT_EQ(who(keys(), {.authorization = header}), "invalid token") << header;
  }
}

TEST(Authenticator, BelievesATrustedProxyAboutItsUsers) {
  const char* key = "Bearer anna-secret";
  EXPECT_EQ(who(proxy(), {key, "bob", "10.1.2.3:4711"}), "bob");
  EXPECT_EQ(who(proxy(), {key, "bob", "[::ffff:10.1.2.3]:4711"}), "bob");
  EXPECT_EQ(who(proxy(), {key, "bob", "[fd00::5]:4711"}), "bob");
  // The role of the proxy's key is not the user's.
  EXPECT_EQ(who(proxy(), {"Bearer root-secret", "bob", "10.1.2.3:4711"}), "bob");
}

TEST(Authenticator, DoesNotBelieveOthers) {
  const char* key = "Bearer anna-secret";
  EXPECT_EQ(who(proxy(), {key, "bob", "192.0.2.1:4711"}), "oauth-user");
  EXPECT_EQ(who(proxy(), {key, "bob", "unix"}), "oauth-user");
  EXPECT_EQ(who(proxy(), {key, "", "10.1.2.3:4711"}), "oauth-user");
  EXPECT_EQ(who(proxy(), {"", "bob", "10.1.2.3:4711"}), "no bearer token");
  EXPECT_EQ(who(proxy(), {"Bearer wrong", "bob", "10.1.2.3:4711"}), "invalid token");
  Config::Auth nobody = proxy();
  nobody.trusted_proxies.clear();
  EXPECT_EQ(who(nobody, {key, "bob", "10.1.2.3:4711"}), "oauth-user");
}

TEST(Authenticator, AUserHasAName) {
  const char* key = "Bearer anna-secret";
  std::string longest(256, 'x');
  EXPECT_EQ(who(proxy(), {key, longest, "10.1.2.3:1"}), longest);
  longest += 'x';
  EXPECT_EQ(who(proxy(), {key, longest, "10.1.2.3:1"}), "X-Forwarded-User names no user");
  EXPECT_EQ(who(proxy(), {key, "a\tb", "10.1.2.3:1"}), "X-Forwarded-User names no user");
  EXPECT_EQ(who(proxy(), {key, "J\u00f6rg", "10.1.2.3:1"}), "J\u00f6rg");
  EXPECT_EQ(who(proxy(), {key, "J\xf6rg", "10.1.2.3:1"}), "X-Forwarded-User names no user");
  EXPECT_EQ(who(proxy(), {key, "J\xef\xbf\xbdrg", "10.1.2.3:1"}), "J\ufffdrg");
}

TEST(Authenticator, RefusesAConfigurationThatLetsNobodyOrTheWrongOnesIn) {
  Config::Auth config = keys();
  config.api_keys.clear();
  EXPECT_EQ(refusal(config), "auth is enabled and auth.apiKeys has no key");
  config = keys();
  config.api_keys[1].key = "";
  EXPECT_EQ(refusal(config), "the key \"root\" of auth.apiKeys is empty");
  config = keys();
  config.api_keys[1].key = "two words";
  EXPECT_EQ(refusal(config), "the key \"root\" of auth.apiKeys has a space in it");
  config = keys();
  config.api_keys[0].name = "";
  EXPECT_EQ(refusal(config), "a key of auth.apiKeys has no usable name");
  config = keys();
  config.api_keys[0].role = "owner";
  EXPECT_EQ(refusal(config), "the role of the key \"anna\" must be admin or user");
  config = proxy();
  config.trusted_proxies.push_back("10.0.0.0/80");
  EXPECT_EQ(refusal(config), "\"10.0.0.0/80\" of auth.trustedProxies is no network");
  config = keys();
  config.mode = "oidc";
  EXPECT_EQ(refusal(config), "auth.mode oidc is not in this version; use apikey or oauth");
}

TEST(Exposure, IsRefusedUnlessItIsMeant) {
  Config config;
  for (const char* local : {"127.0.0.1:8080", "127.1.2.3:1", "localhost:8080", "[::1]:8080"}) {
    config.server.http_addr = local;
    EXPECT_TRUE(check_exposure(config)) << local;
  }
  for (const char* open : {":8080", "0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "vibed:8080"}) {
    config.server.http_addr = open;
    config.auth = {};
    auto checked = check_exposure(config);
    ASSERT_FALSE(checked) << open;
    EXPECT_EQ(checked.error().reason, "bad_config");
    config.auth.dev_insecure = true;
    EXPECT_TRUE(check_exposure(config)) << open;
    config.auth = keys();
    EXPECT_TRUE(check_exposure(config)) << open;
  }
}

}  // namespace
}  // namespace vibed::auth
