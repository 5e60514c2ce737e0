#include "api_fixture.hpp"

namespace vibed::api {
namespace {

using Behaviour = sandbox::Behaviour;

std::set<std::string> keys(const Json& json) {
  std::set<std::string> names;
  for (const auto& [name, value] : json.items()) names.insert(name);
  return names;
}

class ApiDeploy : public ApiTest {
 protected:
  void expect_nothing_left() {
    EXPECT_TRUE(sources->list()->empty());
    EXPECT_EQ(apps->list("", 0, 0)->total, 0);
    EXPECT_TRUE(pool->alive().empty());
  }
};

TEST_F(ApiDeploy, AnAppThatListensInTimeIs200WithItsUrl) {
  start();
  auto answer = deploy("hello");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(keys(json(answer)), (std::set<std::string>{"app_id", "url"}));
  EXPECT_EQ(json(answer)["app_id"], "hello");
  EXPECT_EQ(json(answer)["url"], "http://" + app_label("vibed-apps", "hello") + ".localhost");
  EXPECT_NE(answer.head.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_NE(answer.head.find("X-Frame-Options: DENY\r\n"), std::string::npos);
}

TEST_F(ApiDeploy, AnAppThatTakesLongerIs202WithWhereToLook) {
  service_options.deploy_budget = std::chrono::milliseconds(50);
  pool->script_default({.kind = Behaviour::Kind::never});
  start();
  auto answer = deploy("slow");
  EXPECT_EQ(answer.status, 202) << answer.body;
  Json body = json(answer);
  EXPECT_EQ(body["app_id"], "slow");
  EXPECT_EQ(body["status_url"], "/v1/apps/slow");
  EXPECT_FALSE(body.contains("url"));
  EXPECT_TRUE(body.contains("phase"));
}

TEST_F(ApiDeploy, AnEnvironmentOf200KilobytesIsTakenAndOneThatIsTooLargeIs413) {
  start();
  auto with_env = [&](int count) {
    Json metadata = {{"name", "large"}, {"env", Json::array()}};
    for (int i = 0; i < count; ++i)
      metadata["env"].push_back(
          {{"name", "V" + std::to_string(i)}, {"value", std::string(20'000, 'x')}});
    return post_form("/v1/deploy", form(metadata.dump(), site("a")));
  };
  auto refused = with_env(14);
  EXPECT_EQ(refused.status, 413) << refused.body;
  EXPECT_EQ(code(refused), "env_too_large");
  expect_nothing_left();
  EXPECT_EQ(with_env(10).status, 200);
}

TEST_F(ApiDeploy, AnAppThatFailsIs202WithReasonAndMessage) {
  pool->script_default({.kind = Behaviour::Kind::failed, .message = "it fell over"});
  start();
  auto answer = deploy("broken");
  EXPECT_EQ(answer.status, 202) << answer.body;
  Json body = json(answer);
  EXPECT_EQ(body["phase"], "Failed");
  EXPECT_EQ(body["reason"], "AppExited");
  EXPECT_NE(body["message"].get<std::string>().find("it fell over"), std::string::npos);
}

TEST_F(ApiDeploy, AFailingRedeployLeavesTheOldOneReadyAndSaysWhy) {
  start();
  ASSERT_EQ(deploy("app").status, 200);
  pool->script_default({.kind = Behaviour::Kind::failed, .message = "it fell over"});
  auto answer = deploy("app", "new");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(json(answer)["phase"], "Ready");
  EXPECT_EQ(json(answer)["reason"], "AppExited");
  Json app = json(call("GET", "/v1/apps/app"));
  EXPECT_EQ(app["phase"], "Ready");
  EXPECT_EQ(app["reason"], "Running");
  EXPECT_EQ(app["generation"], 2);
  EXPECT_EQ(app["observed_generation"], 1);
  EXPECT_EQ(app["progressing"]["status"], false);
  EXPECT_EQ(app["progressing"]["reason"], "AppExited");
  EXPECT_EQ(app["progressing"]["generation"], 2);
}

TEST_F(ApiDeploy, ARedeployNeedsTheAppAndTakesItsNameFromThePath) {
  start();
  EXPECT_EQ(code(post_form("/v1/apps/none/redeploy", form("{}", site("a")))), "not_found");
  // Unknown app first, whatever the body is.
  EXPECT_EQ(code(post_form("/v1/apps/none/redeploy", "rubbish")), "not_found");
  ASSERT_EQ(deploy("app").status, 200);
  auto answer = post_form("/v1/apps/app/redeploy", form(R"({"name":"other"})", site("b")));
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(json(answer)["app_id"], "app");
  std::string bare = part("name=\"source\"; filename=\"s\"", site("c")) + "--b0--\r\n";
  EXPECT_EQ(post_form("/v1/apps/app/redeploy", bare).status, 200);
  EXPECT_EQ(json(call("GET", "/v1/apps"))["total"], 1);
  EXPECT_EQ(code(post_form("/v1/apps/app/redeploy", "rubbish")), "bad_multipart");
}

TEST_F(ApiDeploy, ALateRedeployOrRollbackIs202) {
  service_options.deploy_budget = std::chrono::milliseconds(50);
  start();
  ASSERT_EQ(deploy("app").status, 200);
  pool->script_default({.kind = Behaviour::Kind::never});
  EXPECT_EQ(post_form("/v1/apps/app/redeploy", form("{}", site("b"))).status, 202);
  EXPECT_EQ(call("POST", "/v1/apps/app/rollback", R"({"version":1})").status, 202);
}

struct Bad {
  std::string body;
  int status;
  std::string code;
};

TEST_F(ApiDeploy, BadInputHasItsStatusAndCodeAndLeavesNothingBehind) {
  options.max_source_bytes = 1'000'000;
  start();
  const std::string good = R"({"name":"app"})";
  const std::string source = part("name=\"source\"; filename=\"s.tgz\"", site("x"));
  const std::string end = "--b0--\r\n";
  const std::vector<Bad> cases = {
      {"", 400, "bad_multipart"},
      {"not a form", 400, "bad_multipart"},
      {form(good, site("x")).substr(0, 150), 400, "bad_multipart"},
      {source + end, 400, "missing_name"},
      {form("", site("x")), 400, "missing_name"},
      {form("{", site("x")), 400, "bad_metadata"},
      {form("[]", site("x")), 400, "bad_metadata"},
      {form("{}", site("x")), 400, "missing_name"},
      {form(R"({"name":""})", site("x")), 400, "missing_name"},
      {form(R"({"name":7})", site("x")), 400, "bad_metadata"},
      {form(R"({"name":"app","runtime":{"lane":"warp"}})", site("x")), 400, "bad_metadata"},
      {part("name=\"metadata\"", std::string(2'000'000, ' ')) + source + end, 400, "bad_metadata"},
      {part("name=\"metadata\"", good) + end, 400, "missing_source"},
      // A field named source without a filename is no file.
      {part("name=\"metadata\"", good) + part("name=\"source\"", site("x")) + end, 400,
       "missing_source"},
      {form(good, ""), 400, "deploy_failed"},
      {form(good, "this is not gzip"), 400, "bad_archive"},
      {form(good, site("x").substr(0, 60)), 400, "bad_archive"},
      {form(good, testing::TarBuilder().file("../x", "a").tgz()), 400, "unsafe_archive"},
      {form(good, testing::TarBuilder().entry('3', "dev").tgz()), 400, "unsafe_archive"},
      {form(R"({"name":"app","runtime":{"template":"cobol-60"}})", site("x")), 422,
       "unknown_template"},
      {form(good, testing::make_tgz(
                      {{"package.json",
                        R"({"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}})"},
                       {"index.html", ""}})),
       422, "build_required"},
  };
  for (const Bad& bad : cases) {
    auto answer = post_form("/v1/deploy", bad.body);
    EXPECT_EQ(answer.status, bad.status) << bad.body.substr(0, 200) << answer.body;
    EXPECT_EQ(code(answer), bad.code) << bad.body.substr(0, 200) << answer.body;
    EXPECT_FALSE(json(answer)["message"].get<std::string>().empty());
  }
  expect_nothing_left();
}

TEST_F(ApiDeploy, EveryInvalidNameIsBadName) {
  start();
  for (const char* name : {"Bad", "a_b", "-a", "a-", "a.b", "a b", "ä", "../x", "a/b"}) {
    EXPECT_EQ(code(deploy(name)), "bad_name") << name;
  }
  EXPECT_EQ(code(deploy(std::string(64, 'a'))), "bad_name");
  expect_nothing_left();
}

TEST_F(ApiDeploy, OnlyMultipartFormsAreForms) {
  start();
  for (const char* type : {"", "Content-Type: application/json\r\n",
                           "Content-Type: application/x-www-form-urlencoded\r\n",
                           "Content-Type: multipart/form-data\r\n",
                           "Content-Type: multipart/mixed; boundary=b0\r\n"}) {
    auto answer = call("POST", "/v1/deploy", form(R"({"name":"app"})", site("x")), type);
    EXPECT_EQ(answer.status, 400) << type;
    EXPECT_EQ(code(answer), "bad_multipart") << type;
  }
  expect_nothing_left();
}

TEST_F(ApiDeploy, OneByteOver50MiBIsTooLarge) {
  start();
  constexpr std::size_t kLimit = 50U * 1024 * 1024;
  auto over = post_form("/v1/deploy", form(R"({"name":"app"})", std::string(kLimit + 1, 'x')));
  EXPECT_EQ(over.status, 413);
  EXPECT_EQ(code(over), "payload_too_large");
  auto exact = post_form("/v1/deploy", form(R"({"name":"app"})", std::string(kLimit, 'x')));
  EXPECT_EQ(code(exact), "bad_archive");
  // The whole body: refused before it is sent.
  RawClient client(server->address());
  client.send(head("POST", "/v1/deploy",
                   "Content-Type: multipart/form-data; boundary=b0\r\nExpect: 100-continue\r\n"
                   "Content-Length: 53477377\r\n\r\n"));
  EXPECT_EQ(client.answer().status, 413);
  expect_nothing_left();
}

TEST_F(ApiDeploy, ATemplateThatCannotRunIsRefusedWithTheReason) {
  TemplateStatus missing;
  missing.name = "static-nginx";
  missing.message = "nginx is not installed";
  pool = sandbox::make_memory_sandbox_pool({.templates = {missing}});
  start();
  auto answer = deploy("app");
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(code(answer), "template_unavailable");
  EXPECT_NE(answer.body.find("nginx is not installed"), std::string::npos);
  expect_nothing_left();
}

TEST_F(ApiDeploy, AClientThatHangsUpInMidUploadLeavesNothing) {
  start();
  std::string body = form(R"({"name":"app"})", site("x"));
  {
    RawClient client(server->address());
    client.send(head("POST", "/v1/deploy",
                     "Content-Type: multipart/form-data; boundary=b0\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n") +
                body.substr(0, body.size() / 2));
  }
  server.reset();  // all connections are done
  expect_nothing_left();
}

TEST_F(ApiDeploy, AStoppingServerEndsTheWaitOfADeploy) {
  pool->script_default({.kind = Behaviour::Kind::never});
  start();
  RawClient client(server->address());
  std::string body = form(R"({"name":"app"})", site("x"));
  client.send(head("POST", "/v1/deploy",
                   "Content-Type: multipart/form-data; boundary=b0\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n\r\n") +
              body);
  auto watch = apps->watch(0);
  auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  ASSERT_TRUE(watch->next({}, limit));
  server->stop();
  auto answer = client.answer();
  note_code(answer);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(code(answer), "stopping");
}

TEST_F(ApiDeploy, VersionsAreListedNewestFirstAndCanBeRolledBackTo) {
  start();
  deploy("app", "one");
  deploy("app", "two");
  auto rolled = call("POST", "/v1/apps/app/rollback", R"({"version":1})");
  EXPECT_EQ(rolled.status, 200) << rolled.body;
  EXPECT_EQ(keys(json(rolled)), (std::set<std::string>{"app_id", "url"}));
  Json items = json(call("GET", "/v1/apps/app/versions"))["items"];
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(items[0]["version"], 3);
  EXPECT_EQ(items[0]["rolled_back_from"], 1);
  EXPECT_EQ(items[0]["source_hash"], items[2]["source_hash"]);
  EXPECT_FALSE(items[1].contains("rolled_back_from"));
  EXPECT_EQ(keys(items[1]),
            (std::set<std::string>{"version", "timestamp", "template", "lane", "source_hash"}));
}

TEST_F(ApiDeploy, ARollbackNeedsAVersionThatIsThere) {
  start();
  deploy("app");
  for (const char* body : {R"({"version":9})", "{}", R"({"version":0})", R"({"version":-1})"}) {
    auto answer = call("POST", "/v1/apps/app/rollback", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(code(answer), "rollback_failed") << body;
  }
  for (const char* body : {"", "{", "[1]", "7", R"({"version":"1"})", R"({"version":1.5})",
                           R"({"version":null})", R"({"version":99999999999999999999})"}) {
    auto answer = call("POST", "/v1/apps/app/rollback", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(code(answer), "bad_body") << body;
  }
  EXPECT_EQ(code(call("POST", "/v1/apps/none/rollback", R"({"version":1})")), "not_found");
  std::string long_body = "{" + std::string(1024 * 1024, ' ') + "}";
  EXPECT_EQ(call("POST", "/v1/apps/app/rollback", long_body).status, 413);
}

TEST_F(ApiDeploy, DeploysAreCounted) {
  start();
  deploy("app");
  deploy("Bad");
  std::string text = call("GET", "/metrics").body;
  EXPECT_NE(text.find(R"(vibed_deploys_total{status="success",target="static-nginx"} 1)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"(vibed_deploys_total{status="failed",target="none"} 1)"),
            std::string::npos);
  EXPECT_NE(text.find(R"(vibed_artifacts_active{target="static-nginx"} 1)"), std::string::npos);
  EXPECT_NE(
      text.find(
          R"(vibed_http_requests_total{method="POST",path="/v1/deploy",status_code="200"} 1)"),
      std::string::npos);
}

}  // namespace
}  // namespace vibed::api
