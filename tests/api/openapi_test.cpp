// docs/openapi.yaml and the server say the same: routes, and the statuses and codes of every answer
// that any test of this program got.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "api_fixture.hpp"

namespace vibed::api {

Seen& seen() {
  static Seen instance;
  return instance;
}

namespace {

// What needs a race or a fault that a test of the API alone cannot cause.
const std::set<std::tuple<std::string, std::string, int>> kNotProvoked = {
    {"POST", "/v1/deploy", 409},
    {"POST", "/v1/deploy", 507},
    {"POST", "/v1/apps/{app_id}/redeploy", 409},
    {"POST", "/v1/apps/{app_id}/redeploy", 413},
    {"POST", "/v1/apps/{app_id}/redeploy", 422},
    {"POST", "/v1/apps/{app_id}/redeploy", 503},
    {"POST", "/v1/apps/{app_id}/redeploy", 507},
    {"POST", "/v1/apps/{app_id}/rollback", 409},
    {"POST", "/v1/apps/{app_id}/rollback", 422},
    {"POST", "/v1/apps/{app_id}/rollback", 503},
};

YAML::Node document() {
  return YAML::LoadFile(std::string(VIBED_SOURCE_DIR) + "/docs/openapi.yaml");
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return text;
}

template <class Visit>
void each_operation(const YAML::Node& api, Visit visit) {
  for (const auto& path : api["paths"]) {
    for (const auto& operation : path.second) {
      auto method = operation.first.as<std::string>();
      if (method != "parameters")
        visit(upper(method), path.first.as<std::string>(), operation.second);
    }
  }
}

std::set<std::tuple<std::string, std::string, int>> documented_answers(const YAML::Node& api) {
  std::set<std::tuple<std::string, std::string, int>> answers;
  each_operation(
      api, [&](const std::string& method, const std::string& path, const YAML::Node& operation) {
        for (const auto& response : operation["responses"]) {
          answers.emplace(method, path, std::stoi(response.first.as<std::string>()));
        }
      });
  return answers;
}

class OpenApi : public ApiTest {};

TEST_F(OpenApi, TheRoutesAreThoseOfTheServer) {
  start();
  std::set<std::pair<std::string, std::string>> served;
  for (auto& route : make_api_router(*service, metrics, options).routes()) served.insert(route);
  std::set<std::pair<std::string, std::string>> documented;
  each_operation(document(), [&](const std::string& method, std::string path, const YAML::Node&) {
    documented.emplace(
        method, path == "/internal/sources/{key}.tar.gz" ? "/internal/sources/{file}" : path);
  });
  EXPECT_EQ(served, documented);
}

TEST_F(OpenApi, EveryReferenceLeadsSomewhere) {
  YAML::Node api = document();
  EXPECT_EQ(api["openapi"].as<std::string>(), "3.1.0");
  std::vector<YAML::Node> open = {api};
  while (!open.empty()) {
    YAML::Node node = open.back();
    open.pop_back();
    if (!node.IsMap() && !node.IsSequence()) continue;
    for (const auto& child : node) {
      open.push_back(node.IsMap() ? child.second : static_cast<YAML::Node>(child));
    }
    if (!node.IsMap() || !node["$ref"]) continue;
    auto reference = node["$ref"].as<std::string>();
    std::istringstream parts(reference);
    std::string part;
    YAML::Node at = YAML::Clone(api);
    for (std::getline(parts, part, '/'); std::getline(parts, part, '/');) at.reset(at[part]);
    EXPECT_TRUE(at.IsDefined() && at.IsMap()) << reference;
  }
}

TEST_F(OpenApi, AnAppHasOnlyDocumentedFieldsAndAllThatAreRequired) {
  start();
  deploy("app");
  Json app = json(call("GET", "/v1/apps/app"));
  YAML::Node schema = document()["components"]["schemas"]["App"];
  for (const auto& [key, value] : app.items()) {
    EXPECT_TRUE(schema["properties"][key].IsDefined()) << key;
  }
  for (const auto& key : schema["required"]) EXPECT_TRUE(app.contains(key.as<std::string>()));
}

// At the end of the program, when all tests have been seen.
class AnswersAreDocumented : public ::testing::Environment {
 public:
  void TearDown() override {
    YAML::Node api = document();
    auto documented = documented_answers(api);
    std::lock_guard lock(seen().mutex);
    for (auto [method, path, status] : seen().answers) {
      // Those without a route, or of another method, are described once, in the introduction.
      if (path.empty() || status == 405) continue;
      if (path == "/internal/sources/{file}") path = "/internal/sources/{key}.tar.gz";
      if (method == "HEAD") method = "GET";
      EXPECT_TRUE(documented.contains({method, path, status}))
          << method << " " << path << " " << status;
      witnessed_.emplace(method, path, status);
    }
    const auto& run = *::testing::UnitTest::GetInstance();
    bool all = run.test_to_run_count() == run.total_test_count();
    for (const auto& answer : documented) {
      const auto& [method, path, status] = answer;
      bool known = witnessed_.contains(answer) || kNotProvoked.contains(answer);
      EXPECT_TRUE(!all || known) << "documented, never seen: " << method << " " << path << " "
                                 << status;
    }
    std::set<std::string> codes;
    for (const auto& code :
         api["components"]["schemas"]["Error"]["properties"]["code"]["examples"]) {
      codes.insert(code.as<std::string>());
    }
    for (const auto& code : seen().codes) EXPECT_TRUE(codes.contains(code)) << code;
  }

 private:
  std::set<std::tuple<std::string, std::string, int>> witnessed_;
};

const auto* const kEnvironment = ::testing::AddGlobalTestEnvironment(new AnswersAreDocumented);

}  // namespace
}  // namespace vibed::api
