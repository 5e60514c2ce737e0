#include "route/caddy_document.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files.hpp"

namespace vibed::route {
namespace {

using nlohmann::json;

// VIBED_UPDATE_GOLDEN=1 writes what the code says; read the difference before committing it.
void expect_golden(const std::string& name, const json& document) {
  const std::string path = std::string(VIBED_SOURCE_DIR) + "/tests/golden/route/" + name;
  if (std::getenv("VIBED_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file(path, document.dump(1) + "\n", Durability::unsynced));
  }
  auto golden = read_file(path, 1024 * 1024);
  ASSERT_TRUE(golden) << golden.error().message;
  EXPECT_EQ(document.dump(1) + "\n", *golden) << path;
}

FrontDoorPlan plan(Layout layout, CaddyVersion version) {
  return {.layout = layout,
          .listen = "127.0.0.1:18080",
          .domain = "localhost",
          .run = "/data/run",
          .version = version};
}

TEST(CaddyDocument, OfTheWildcardLayoutForDebiansCaddy) {
  expect_golden("wildcard-2.6.json", caddy_document(plan(Layout::wildcard, {2, 6, 2})));
}

TEST(CaddyDocument, OfTheWildcardLayoutForACurrentCaddy) {
  expect_golden("wildcard-2.11.json", caddy_document(plan(Layout::wildcard, {2, 11, 9})));
}

TEST(CaddyDocument, OfThePerAppLayout) {
  auto per_app = plan(Layout::per_app, {2, 11, 9});
  per_app.routes = {{"abc.localhost", "unix//data/run/apps/abc.sock"},
                    {"shop.example.com", "127.0.0.1:9000"}};
  expect_golden("per-app.json", caddy_document(per_app));
}

TEST(CaddyDocument, OfAClustersEdge) {
  auto edge = plan(Layout::wildcard, {2, 11, 9});
  edge.listen = ":8443";
  edge.domain = "apps.example.com";
  edge.upstream = "vibed-app-{label}.vibed-apps.svc.cluster.local:80";
  edge.waiting_room = "vibed.vibed-system.svc.cluster.local:8090";
  edge.try_duration = "1s";
  edge.tls = json::parse(R"({"certificates":{"automate":["*.apps.example.com"]}})");
  edge.marker = "vibed-edge-1";
  expect_golden("edge.json", caddy_document(edge));
}

TEST(CaddyDocument, OfAnEdgeThatLeadsToHttpsAndSharesItsCertificates) {
  auto edge = plan(Layout::per_app, {2, 11, 9});
  edge.listen = ":8443";
  edge.domain = "apps.example.com";
  edge.upstream = "vibed-app-{label}.vibed-apps.svc.cluster.local:80";
  edge.waiting_room = "vibed.vibed-system.svc.cluster.local:8090";
  edge.try_duration = "1s";
  edge.tls = json::parse(R"({"certificates":{"automate":["*.apps.example.com"]}})");
  edge.storage = json::parse(R"({"module":"file_system","root":"/data/shared"})");
  edge.redirect = ":8080";
  edge.https_port = 8443;
  expect_golden("edge-https.json", caddy_document(edge));
}

TEST(CaddyDocument, OfPlainHttpHasNothingOfHttps) {
  auto plain = plan(Layout::wildcard, {2, 11, 9});
  const json before = caddy_document(plain);
  plain.redirect = ":8080";
  plain.storage = json::object();
  EXPECT_EQ(caddy_document(plain), before);
}

TEST(CaddyDocument, LeavesThePortOfHttpsOutOfItsUrls) {
  auto edge = plan(Layout::wildcard, {2, 11, 9});
  edge.tls = json::object();
  edge.redirect = ":8080";
  const json document = caddy_document(edge);
  const json& servers = document["apps"]["http"]["servers"];
  EXPECT_NE(servers["redirect"].dump().find("https://{http.request.host}{http.request.uri}"),
            std::string::npos);
}

TEST(CaddyDocument, CountsTheLabelsOfTheDomainFromTheRight) {
  auto three = plan(Layout::wildcard, {2, 11, 9});
  three.domain = "apps.example.com";
  const std::string text = caddy_document(three).dump();
  EXPECT_NE(text.find("/apps/{http.request.host.labels.3}.sock"), std::string::npos);
  EXPECT_NE(text.find("\"*.apps.example.com\""), std::string::npos);
}

TEST(CaddyDocument, GivesBackTheRoutesItHolds) {
  auto per_app = plan(Layout::per_app, {2, 11, 9});
  per_app.routes = {{"a.localhost", "unix//r/a.sock"}, {"x.example.com", "127.0.0.1:9"}};
  EXPECT_EQ(routes_of(caddy_document(per_app)), per_app.routes);
}

TEST(CaddyDocument, OfAStrangerHoldsNoRoutes) {
  EXPECT_TRUE(routes_of(json::parse(R"({"apps":{"http":{"servers":{}}}})")).empty());
  EXPECT_TRUE(routes_of(json()).empty());
}

TEST(CaddyDocument, NamesARouteAfterItsLabel) {
  EXPECT_EQ(route_id("abc.localhost", "localhost"), "vibed-app-abc");
  EXPECT_EQ(route_id("shop.example.com", "localhost"), "vibed-host-shop.example.com");
}

TEST(CaddyDocument, KnowsTheHostsOfItsDomain) {
  EXPECT_TRUE(is_app_host("abc.localhost", "localhost"));
  EXPECT_FALSE(is_app_host("a.b.localhost", "localhost"));
  EXPECT_FALSE(is_app_host(".localhost", "localhost"));
  EXPECT_FALSE(is_app_host("localhost", "localhost"));
  EXPECT_FALSE(is_app_host("abclocalhost", "localhost"));
  EXPECT_FALSE(is_app_host("../x.localhost", "localhost"));
}

TEST(CheckLayout, RefusesPerAppRoutesBeforeCaddy27AndSaysWhy) {
  auto refused = check_layout(Layout::per_app, {2, 6, 2});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "bad_config");
  EXPECT_NE(refused.error().message.find("2.6.2"), std::string::npos);
  EXPECT_NE(refused.error().message.find("WebSocket"), std::string::npos);
  EXPECT_FALSE(check_layout(Layout::per_app, {}));
  EXPECT_TRUE(check_layout(Layout::per_app, {2, 7, 0}));
  EXPECT_TRUE(check_layout(Layout::wildcard, {2, 6, 2}));
}

}  // namespace
}  // namespace vibed::route
