#include "api_fixture.hpp"

namespace vibed::api {
namespace {

using Behaviour = sandbox::Behaviour;

class Api : public ApiTest {};

TEST_F(Api, AnAppHasTheDocumentedShape) {
  start();
  deploy("hello");
  auto answer = call("GET", "/v1/apps/hello");
  EXPECT_EQ(answer.status, 200);
  Json app = json(answer);
  EXPECT_EQ(app["app_id"], "hello");
  EXPECT_EQ(app["name"], "hello");
  EXPECT_EQ(app["phase"], "Ready");
  EXPECT_EQ(app["owner"], "admin");
  EXPECT_EQ(app["runtime"]["lane"], "fast");
  EXPECT_EQ(app["runtime"]["template"], "static-nginx");
  EXPECT_EQ(app["reason"], "Running");
  EXPECT_EQ(app["generation"], 1);
  EXPECT_EQ(app["observed_generation"], 1);
  EXPECT_TRUE(app.contains("url"));
  EXPECT_TRUE(app.contains("last_deployed_at"));
  EXPECT_FALSE(app.contains("progressing"));
}

TEST_F(Api, AnUnknownAppIs404OnEveryRouteThatNamesOne) {
  start();
  for (const auto& [method, path] :
       std::vector<std::pair<std::string, std::string>>{{"GET", "/v1/apps/none"},
                                                        {"DELETE", "/v1/apps/none"},
                                                        {"POST", "/v1/apps/none/suspend"},
                                                        {"POST", "/v1/apps/none/resume"},
                                                        {"GET", "/v1/apps/none/versions"},
                                                        {"GET", "/v1/apps/none/logs"},
                                                        {"GET", "/v1/apps/none/logs?follow=true"},
                                                        {"GET", "/v1/apps/%2e%2e"},
                                                        {"GET", "/v1/apps/A%20B"}}) {
    auto answer = call(method, path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(code(answer), "not_found") << path;
  }
}

TEST_F(Api, PagesKeepTheTotal) {
  start();
  EXPECT_EQ(call("GET", "/v1/apps").body, "{\"items\":[],\"total\":0}\n");
  for (const char* name : {"c", "a", "b"}) deploy(name);
  auto names = [&](const std::string& query) {
    Json page = json(call("GET", "/v1/apps" + query));
    EXPECT_EQ(page["total"], 3);
    std::string joined;
    for (const auto& app : page["items"]) joined += app["app_id"].get<std::string>();
    return joined;
  };
  EXPECT_EQ(names(""), "abc");
  EXPECT_EQ(names("?limit=2"), "ab");
  EXPECT_EQ(names("?limit=2&offset=2"), "c");
  EXPECT_EQ(names("?offset=9"), "");
  EXPECT_EQ(names("?offset=-1&limit=0"), "abc");
}

TEST_F(Api, LimitAndOffsetAreIntegers) {
  start();
  for (const char* query : {"?limit=x", "?offset=1.5", "?limit=", "?limit=+1", "?limit=0x1",
                            "?offset=99999999999999999999", "?limit=1%20"}) {
    auto answer = call("GET", std::string("/v1/apps") + query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_EQ(code(answer), "bad_parameter") << query;
  }
}

TEST_F(Api, ADeletedAppIsGone) {
  start();
  deploy("app");
  auto answer = call("DELETE", "/v1/apps/app");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(call("GET", "/v1/apps/app").status, 404);
  EXPECT_EQ(call("DELETE", "/v1/apps/app").status, 404);
  EXPECT_TRUE(sources->list()->empty());
  EXPECT_TRUE(pool->alive().empty());
}

TEST_F(Api, SuspendAndResumeAnswer202WithTheApp) {
  start();
  deploy("app");
  for (const char* what : {"suspend", "suspend", "resume", "resume"}) {
    auto answer = call("POST", std::string("/v1/apps/app/") + what);
    EXPECT_EQ(answer.status, 202) << what;
    EXPECT_EQ(json(answer)["app_id"], "app");
  }
}

TEST_F(Api, TemplatesAreThoseOfThePool) {
  start();
  Json items = json(call("GET", "/v1/templates"))["items"];
  ASSERT_FALSE(items.empty());
  for (const auto& item : items) {
    for (const char* key :
         {"name", "lane", "description", "warm_pool_size", "ready", "claimed", "available"}) {
      EXPECT_TRUE(item.contains(key)) << key;
    }
  }
}

TEST_F(Api, LogsAreEventsAndEnd) {
  start();
  deploy("app");
  std::string id = pool->alive().at(0).id;
  pool->log(id, {{}, "stdout", "one"});
  pool->log(id, {{}, "stderr", "two"});
  auto answer = call("GET", "/v1/apps/app/logs");
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.head.find("Content-Type: text/event-stream\r\n"), std::string::npos);
  EXPECT_EQ(answer.body, "data: one\n\ndata: two\n\n");
  EXPECT_TRUE(answer.complete);
}

TEST_F(Api, FollowedLogsGoOnAndBeatWhileNothingHappens) {
  options.log_heartbeat = std::chrono::milliseconds(20);
  start();
  deploy("app");
  std::string id = pool->alive().at(0).id;
  pool->log(id, {{}, "stdout", "before"});
  RawClient client(server->address());
  client.send(head("GET", "/v1/apps/app/logs?follow=true", "\r\n"));
  EXPECT_NE(client.read_until("data: before\n\n").find("200 OK"), std::string::npos);
  EXPECT_FALSE(client.read_until(": heartbeat\n\n").empty());
  pool->log(id, {{}, "stdout", "after"});
  EXPECT_NE(client.read_until("data: after\n\n").find("data: after"), std::string::npos);
  EXPECT_NE(metrics.text().find("vibed_sse_connections_active 1"), std::string::npos);
  server->stop();
  client.read_until("0\r\n\r\n");
  EXPECT_TRUE(client.at_end());
}

TEST_F(Api, AnAppWithoutASandboxSaysSoInItsLogStream) {
  start();
  deploy("app");
  auto watch = apps->watch(0);
  call("POST", "/v1/apps/app/suspend");
  auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (auto event = watch->next({}, limit); event; event = watch->next({}, limit)) {
    if (event->app.status.phase == Phase::suspended) break;
  }
  auto answer = call("GET", "/v1/apps/app/logs");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body.starts_with("event: error\ndata: ")) << answer.body;
}

TEST_F(Api, TooManyLogStreamsAre429AndASlotComesBack) {
  service_options.log_streams_per_user = 1;
  start();
  deploy("app");
  pool->log(pool->alive().at(0).id, {{}, "stdout", "x"});
  RawClient first(server->address());
  first.send(head("GET", "/v1/apps/app/logs?follow=true", "\r\n"));
  first.read_until("data: x");
  auto refused = call("GET", "/v1/apps/app/logs");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(code(refused), "too_many_log_streams");
  EXPECT_NE(refused.head.find("Retry-After: 5\r\n"), std::string::npos);
  first.hang_up();
  auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (call("GET", "/v1/apps/app/logs").status == 429 &&
         std::chrono::steady_clock::now() < limit) {
  }
  EXPECT_EQ(call("GET", "/v1/apps/app/logs").status, 200);
}

TEST_F(Api, HealthAndReadinessAreLive) {
  std::vector<Component> parts = {{"store", true}, {"caddy", true}};
  options.components = [&] { return parts; };
  start();
  auto health = call("GET", "/healthz");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(json(health)["status"], "alive");
  EXPECT_EQ(call("GET", "/readyz").body,
            "{\"status\":\"ready\",\"components\":{\"store\":{\"ready\":true},\"caddy\":{\"ready\":"
            "true}}}\n");
  parts[1] = {"caddy", false, "it is being restarted"};
  auto ready = call("GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(json(ready)["status"], "not_ready");
  EXPECT_EQ(json(ready)["components"]["caddy"]["message"], "it is being restarted");
}

TEST_F(Api, SourcesAreServedToWhoKnowsTheirKey) {
  start();
  deploy("app", "the source");
  std::string key = sources->list()->at(0).key;
  auto answer = call("GET", "/internal/sources/" + key + ".tar.gz");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, site("the source"));
  EXPECT_EQ(call("HEAD", "/internal/sources/" + key + ".tar.gz").status, 200);
  EXPECT_EQ(call("POST", "/internal/sources/" + key + ".tar.gz").status, 405);
  for (const std::string& path : {std::string("/internal/sources/"), "/internal/sources/" + key,
                                  std::string("/internal/sources/x.tar.gz"),
                                  std::string("/internal/sources/..%2f..%2fetc%2fpasswd.tar.gz"),
                                  "/internal/sources/app.v1." + std::string(32, '0') + ".tar.gz"}) {
    EXPECT_EQ(call("GET", path).status, 404) << path;
  }
}

TEST_F(Api, UnknownRoutesAre404AndWrongMethods405WithAllow) {
  start();
  for (const char* path :
       {"/", "/v1", "/v1/", "/v1/nothing", "/v1/apps/", "/v1/apps/a/b", "/v2/apps"}) {
    auto answer = call("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(code(answer), "not_found") << path;
  }
  auto wrong = call("PUT", "/v1/apps");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(code(wrong), "method_not_allowed");
  EXPECT_NE(wrong.head.find("Allow: GET, HEAD\r\n"), std::string::npos);
  EXPECT_NE(call("GET", "/v1/deploy").head.find("Allow: POST\r\n"), std::string::npos);
  EXPECT_NE(call("POST", "/v1/apps/a").head.find("Allow: DELETE, GET, HEAD\r\n"),
            std::string::npos);
}

TEST_F(Api, AnAppsPageCannotDriveTheApi) {
  start();
  std::string origin = "Origin: http://k3v0abc12345.localhost:18080\r\n";
  auto posted = call("POST", "/v1/deploy", form(R"({"name":"evil"})", site("x")),
                     origin + "Content-Type: multipart/form-data; boundary=b0\r\n");
  EXPECT_EQ(posted.status, 403);
  EXPECT_EQ(code(posted), "foreign_host");
  EXPECT_EQ(call("POST", "/v1/apps/a/suspend", "", "Sec-Fetch-Site: same-site\r\n").status, 403);
  RawClient rebound(server->address());
  rebound.send("GET /v1/apps HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n");
  EXPECT_EQ(rebound.answer().status, 403);
  EXPECT_EQ(apps->list("", 0, 0)->total, 0);
  EXPECT_EQ(call("GET", "/v1/apps", "", "Origin: http://" + server->address() + "\r\n").status,
            200);
}

}  // namespace
}  // namespace vibed::api
