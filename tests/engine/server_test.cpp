// The API server on a fake cluster, with a controller beside it: from upload to log lines.
#include "vibed/server.hpp"

#include <nlohmann/json.hpp>

#include "controller_world.hpp"
#include "support/tar_builder.hpp"

namespace vibed {
namespace {

using nlohmann::json;

class ServerTest : public ControllerTest {
 protected:
  ServerOptions server_options(const std::string& name) {
    ControllerOptions like = options(name);
    ServerOptions server;
    server.cluster = like.cluster;
    server.install_secret = like.install_secret;
    server.agent_port = like.agent_port;
    server.data = folder_ / ("data-" + name);
    server.waiting_room = "127.0.0.1:0";
    server.config.server.http_addr = "127.0.0.1:0";
    server.config.deployment.apps_namespace = claims::FakeCluster::kSpace;
    server.config.auth.enabled = true;
    server.config.auth.api_keys = {{"a", "anna", "user"}, {"b", "bob", "user"}};
    return server;
  }

  std::unique_ptr<Server> serve(const ServerOptions& options) {
    auto opened = Server::open(options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }

  // The status and the JSON of a call with a key.
  std::pair<int, json> call(const Server& server, const std::string& key, const std::string& method,
                            const std::string& path, const std::string& body = "",
                            const std::string& type = "application/json") {
    fetch::Request request;
    request.method = method;
    request.url = "http://" + server.api_address() + path;
    request.body = body;
    request.headers = {{"Authorization", "Bearer " + key}, {"Content-Type", type}};
    auto answer = http_->send(request);
    EXPECT_TRUE(answer) << answer.error().message;
    if (!answer) return {0, {}};
    return {answer->status, json::parse(answer->body, nullptr, false)};
  }

  // A Python app, which is what the fake cluster has a pool for.
  std::pair<int, json> upload(const Server& server, const std::string& key,
                              const std::string& app) {
    std::string archive =
        testing::make_tgz({{"requirements.txt", ""}, {"main.py", "print('hello')"}});
    std::string form = part("name=\"metadata\"", json{{"name", app}}.dump()) +
                       part("name=\"source\"; filename=\"s.tgz\"", archive) + "--b0--\r\n";
    return call(server, key, "POST", "/v1/deploy", form, "multipart/form-data; boundary=b0");
  }

  static std::string part(const std::string& disposition, const std::string& content) {
    return "--b0\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n";
  }
};

TEST_F(ServerTest, ADeployIsLiveWhenItIsAnswered) {
  auto server = serve(server_options("api"));
  auto controller = open("one");
  auto [status, app] = upload(*server, "a", "web");
  EXPECT_EQ(status, 200) << app;
  EXPECT_EQ(app["url"], "https://" + app_label("apps", "web") + ".apps.test");
  auto [found, seen] = call(*server, "a", "GET", "/v1/apps/web");
  EXPECT_EQ(found, 200);
  EXPECT_EQ(seen["phase"], "Ready");
  EXPECT_EQ(call(*server, "b", "GET", "/v1/apps/web").first, 404);
  EXPECT_EQ(apps_->get("web")->spec.owner, "apikey-anna");

  auto [logged, ignored] = call(*server, "a", "GET", "/v1/apps/web/logs");
  EXPECT_EQ(logged, 200);

  EXPECT_EQ(call(*server, "a", "DELETE", "/v1/apps/web").first, 204);
  EXPECT_TRUE(until([&] { return claims_of("web").empty(); }));
}

TEST_F(ServerTest, TwoServersAreOne) {
  auto first = serve(server_options("first"));
  auto second = serve(server_options("second"));
  auto controller = open("one");
  EXPECT_EQ(upload(*first, "a", "web").first, 200);
  EXPECT_TRUE(
      until([&] { return call(*second, "a", "GET", "/v1/apps/web").second["phase"] == "Ready"; }));
  EXPECT_EQ(upload(*second, "b", "web").first, 403);
  EXPECT_EQ(upload(*second, "a", "web").first, 200);
  EXPECT_TRUE(until([&] { return apps_->get("web")->status.observed_generation == 2; }));
}

TEST_F(ServerTest, AWaitingRoomTellsWhatBecameOfAnApp) {
  auto server = serve(server_options("api"));
  fetch::Request request;
  request.url = "http://" + server->waiting_room_address() + "/";
  request.headers = {{"Host", "nobody.apps.test"}};
  EXPECT_EQ(http_->send(request)->status, 404);
  deploy("web");
  request.headers = {{"Host", app_label("apps", "web") + ".apps.test"}};
  EXPECT_TRUE(until([&] { return http_->send(request)->status == 503; }));
}

TEST_F(ServerTest, TheControllerBringsSourcesFromItIntoSandboxes) {
  auto server = serve(server_options("api"));
  auto controlling = options("one");
  controlling.sources = nullptr;
  controlling.source_url = "http://" + server->api_address();
  auto controller = open(controlling);
  EXPECT_EQ(upload(*server, "a", "web").first, 200);
}

TEST_F(ServerTest, IsReadyAsLongAsItHearsTheCluster) {
  auto options = server_options("api");
  options.deaf_after = std::chrono::seconds(0);
  auto server = serve(options);
  EXPECT_EQ(get(server->api_address(), "/readyz").first, 200);
  EXPECT_EQ(get(server->api_address(), "/healthz").first, 200);
}

TEST_F(ServerTest, RefusesWhatCannotWork) {
  auto options = server_options("api");
  options.install_secret = "short";
  EXPECT_EQ(Server::open(options).error().reason, "bad_config");
  options = server_options("api");
  options.config.auth = {};
  options.config.server.http_addr = "0.0.0.0:0";
  EXPECT_EQ(Server::open(options).error().reason, "bad_config");
  options = server_options("api");
  options.cluster.kubeconfig = folder_ / "none";
  EXPECT_EQ(Server::open(options).error().reason, "bad_kubeconfig");
}

}  // namespace
}  // namespace vibed
