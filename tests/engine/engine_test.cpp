// The whole machine in one process: what an embedder gets. Needs bubblewrap, Caddy and nginx.
#include "vibed/engine.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "fetch/fetch.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

using nlohmann::json;

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access("/usr/bin/bwrap", X_OK) != 0 || ::access("/usr/bin/caddy", X_OK) != 0) {
      GTEST_SKIP() << "needs bubblewrap and caddy";
    }
    ASSERT_TRUE(make_directories(dir_ / "site"));
    ASSERT_TRUE(write_file(dir_ / "site/index.html", "<h1>one</h1>", Durability::unsynced));
  }

  Result<std::unique_ptr<Engine>> open(bool keep_apps = false, const Config::Auth& auth = {}) {
    EngineOptions options;
    options.config.auth = auth;
    options.data = dir_ / "d";
    options.keep_apps = keep_apps;
    options.agent = std::string(VIBED_BINARY_DIR) + "/apps/vibed-agent/vibed-agent";
    options.templates = std::string(VIBED_SOURCE_DIR) + "/templates";
    options.config.server.http_addr = "127.0.0.1:0";
    options.config.apps.listen = "127.0.0.1:0";
    // Only what this test uses: warming the others costs seconds.
    options.config.pool.disabled = {"node-24", "python-313", "go-123", "base-al2023", "workerd"};
    return Engine::open(options);
  }

  // What a visitor of `url` gets, through Caddy.
  fetch::Response visit(const std::string& url) {
    std::size_t colon = url.rfind(':');
    fetch::Request request;
    request.url = "http://127.0.0.1" + url.substr(colon) + "/";
    request.headers = {{"Host", url.substr(7)}};
    auto answer = fetch::make_client()->send(request);
    return answer ? *answer : fetch::Response{};
  }

  testing::TempDir dir_;
};

TEST_F(EngineTest, AFolderBecomesALiveUrlAndGoesAgain) {
  auto engine = open();
  ASSERT_TRUE(engine) << engine.error().message;
  auto deployed = (*engine)->deploy(dir_ / "site", R"({"name":"site"})");
  ASSERT_TRUE(deployed) << deployed.error().message;
  json app = json::parse(*deployed);
  ASSERT_EQ(app["phase"], "Ready") << *deployed;
  EXPECT_EQ(app["runtime"]["template"], "static-nginx");
  fetch::Response page = visit(app["url"]);
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "<h1>one</h1>");

  EXPECT_EQ(json::parse(*(*engine)->list())["total"], 1);
  ASSERT_TRUE((*engine)->remove("site"));
  EXPECT_EQ((*engine)->get("site").error().code, Errc::not_found);
  EXPECT_EQ(visit(app["url"]).status, 404);
  EXPECT_TRUE((*engine)->close());
}

TEST_F(EngineTest, WithAuthTheApiAsksWhoIsCalling) {
  Config::Auth auth;
  auth.enabled = true;
  EXPECT_EQ(open(false, auth).error().reason, "bad_config") << "no key";
  auth.api_keys = {{"secret", "ci", "user"}};
  auto engine = open(false, auth);
  ASSERT_TRUE(engine) << engine.error().message;
  fetch::Request request;
  request.url = (*engine)->api_url() + "/v1/apps";
  EXPECT_EQ(fetch::make_client()->send(request)->status, 401);
  request.headers = {{"Authorization", "Bearer secret"}};
  EXPECT_EQ(fetch::make_client()->send(request)->status, 200);
}

TEST_F(EngineTest, DoesNotLetTheWholeNetworkIn) {
  EngineOptions options;
  options.data = dir_ / "d";
  options.config.server.http_addr = "0.0.0.0:0";
  auto engine = Engine::open(options);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().reason, "bad_config");
  EXPECT_NE(engine.error().message.find("auth.devInsecure"), std::string::npos);
}

TEST_F(EngineTest, AppsThatAreKeptServeWhileItIsClosedAndAreAdopted) {
  json app;
  {
    auto engine = open(true);
    ASSERT_TRUE(engine) << engine.error().message;
    auto deployed = (*engine)->deploy(dir_ / "site", R"({"name":"site"})");
    ASSERT_TRUE(deployed) << deployed.error().message;
    app = json::parse(*deployed);
    ASSERT_EQ(app["phase"], "Ready") << *deployed;
  }
  EXPECT_EQ(visit(app["url"]).body, "<h1>one</h1>");
  auto engine = open();
  ASSERT_TRUE(engine) << engine.error().message;
  json again = json::parse(*(*engine)->get("site"));
  EXPECT_EQ(again["phase"], "Ready");
  EXPECT_EQ(again["url"], app["url"]);
  EXPECT_EQ(visit(app["url"]).body, "<h1>one</h1>");
}

TEST_F(EngineTest, ABadSourceIsRefusedWithItsReason) {
  auto engine = open();
  ASSERT_TRUE(engine) << engine.error().message;
  auto refused = (*engine)->deploy_bytes("not gzip", R"({"name":"bad"})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "bad_archive");
  EXPECT_EQ((*engine)->get("bad").error().code, Errc::not_found);
}

TEST_F(EngineTest, ASecondOneOnTheSameFolderIsRefused) {
  auto engine = open();
  ASSERT_TRUE(engine) << engine.error().message;
  auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "data_in_use");
}

}  // namespace
}  // namespace vibed
