// Who may do what to whose app.
#include "api/guard.hpp"
#include "api_fixture.hpp"

namespace vibed::api {
namespace {

class Callers : public ApiTest {
 protected:
  Callers() {
    Config::Auth config;
    config.enabled = true;
    config.api_keys = {{"a", "anna", "user"}, {"b", "bob", "user"}, {"r", "root", "admin"}};
    options.authenticator = *auth::Authenticator::make(config);
    start();
  }

  RawAnswer as(const std::string& key, const std::string& method, const std::string& path) {
    return call(method, path, "", "Authorization: Bearer " + key + "\r\n");
  }

  int deploy_as(const std::string& key) {
    return call("POST", "/v1/deploy", form(R"({"name":"app"})", site("<h1>hello</h1>")),
                "Authorization: Bearer " + key +
                    "\r\nContent-Type: multipart/form-data; boundary=b0\r\n")
        .status;
  }
};

TEST_F(Callers, WithoutAKeySeeNothingAndStoreNothing) {
  auto list = call("GET", "/v1/apps");
  EXPECT_EQ(list.status, 401);
  EXPECT_EQ(json(list)["code"], "unauthenticated");
  EXPECT_EQ(json(list)["message"], "no bearer token");
  EXPECT_NE(list.head.find("WWW-Authenticate: Bearer\r\n"), std::string::npos) << list.head;
  EXPECT_EQ(deploy_as(""), 401);
  EXPECT_EQ(sources->list()->size(), 0U);
  EXPECT_EQ(call("GET", "/healthz").status, 200);
  EXPECT_EQ(call("GET", "/metrics").status, 200);
}

TEST_F(Callers, HaveTheirOwnApps) {
  EXPECT_EQ(deploy_as("a"), 200);
  EXPECT_EQ(apps->get("app")->spec.owner, "apikey-anna");
  EXPECT_EQ(json(as("a", "GET", "/v1/apps"))["total"], 1);
  EXPECT_EQ(as("a", "GET", "/v1/apps/app").status, 200);
  EXPECT_EQ(as("a", "GET", "/v1/apps/app/versions").status, 200);
}

TEST_F(Callers, DoNotSeeThatOthersHaveApps) {
  EXPECT_EQ(deploy_as("a"), 200);
  for (const char* key : {"b", "r"}) {
    EXPECT_EQ(json(as(key, "GET", "/v1/apps"))["total"], 0) << key;
    for (const char* path : {"/v1/apps/app", "/v1/apps/app/versions", "/v1/apps/app/logs"}) {
      auto theirs = as(key, "GET", path);
      EXPECT_EQ(theirs.status, 404) << path;
      auto nobodys = as(key, "GET", "/v1/apps/none" + std::string(path).substr(12));
      EXPECT_EQ(json(theirs)["code"], json(nobodys)["code"]) << path;
    }
    for (const char* path : {"/v1/apps/app/suspend", "/v1/apps/app/resume", "/v1/apps/app/redeploy",
                             "/v1/apps/app/rollback"}) {
      auto theirs = call("POST", path, "{}", "Authorization: Bearer " + std::string(key) + "\r\n");
      EXPECT_EQ(theirs.status, 404) << path << theirs.body;
    }
    EXPECT_EQ(as(key, "DELETE", "/v1/apps/app").status, 404);
  }
  EXPECT_TRUE(apps->get("app"));
}

TEST_F(Callers, OnlyAnAdminDeploysOverTheAppOfAnother) {
  EXPECT_EQ(deploy_as("a"), 200);
  EXPECT_EQ(deploy_as("b"), 403);
  EXPECT_EQ(apps->get("app")->spec.owner, "apikey-anna");
  EXPECT_EQ(deploy_as("r"), 200);
}

TEST_F(Callers, NeedNoKeyForASourceWhoseNameTheyKnow) {
  EXPECT_EQ(deploy_as("a"), 200);
  std::string key = sources->list()->front().key;
  EXPECT_EQ(call("GET", "/internal/sources/" + key + ".tar.gz").status, 200);
  key.back() = key.back() == '0' ? '1' : '0';
  EXPECT_EQ(call("GET", "/internal/sources/" + key + ".tar.gz").status, 404);
}

}  // namespace
}  // namespace vibed::api
