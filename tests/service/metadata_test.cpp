#include <gtest/gtest.h>

#include "base/error_codes.hpp"
#include "service/service.hpp"

namespace vibed {
namespace {

Result<DeployMetadata> parse(std::string_view json) { return parse_deploy_metadata(json, ""); }

TEST(DeployMetadata, EveryFieldIsRead) {
  auto metadata = parse(R"({"name": "hello", "ttl": "1h30m", "unknown": {"x": 1},
    "runtime": {"lane": "fast", "template": "static-nginx", "entrypoint": "node a.js"},
    "egress": {"allowed_hosts": ["example.org", "*.example.org", "10.0.0.1:443", "a.b."]},
    "env": [{"name": "A", "value": "1"}, {"name": "_b2"}]})");
  ASSERT_TRUE(metadata) << metadata.error().message;
  EXPECT_EQ(metadata->name, "hello");
  EXPECT_EQ(metadata->lane, Lane::fast);
  EXPECT_EQ(metadata->template_name, "static-nginx");
  EXPECT_EQ(metadata->entrypoint, "node a.js");
  EXPECT_EQ(metadata->allowed_hosts.size(), 4u);
  EXPECT_EQ(metadata->env, (std::vector<EnvVar>{{"A", "1"}, {"_b2", ""}}));
  EXPECT_EQ(metadata->ttl, "1h30m");
}

TEST(DeployMetadata, OnlyTheNameIsNeeded) {
  auto metadata = parse(R"({"name": "a", "runtime": null, "env": null, "egress": null})");
  ASSERT_TRUE(metadata) << metadata.error().message;
  EXPECT_FALSE(metadata->lane);
  EXPECT_TRUE(metadata->env.empty());
  EXPECT_EQ(parse(R"({"name":"a","runtime":{"lane":""}})")->lane, std::nullopt);
}

TEST(DeployMetadata, ARedeployIsNamedByItsPath) {
  EXPECT_EQ(parse_deploy_metadata("", "a")->name, "a");
  EXPECT_EQ(parse_deploy_metadata("{}", "a")->name, "a");
  EXPECT_EQ(parse_deploy_metadata(R"({"name": "Other!"})", "a")->name, "a");
  EXPECT_EQ(parse_deploy_metadata("{}", "A").error().reason, "bad_name");
}

struct Case {
  std::string json;
  std::string reason;
  std::string names;  // what the message has to name
};

TEST(DeployMetadata, WhatIsWrongIsNamed) {
  std::string long_value(120 * 1024 + 1, 'x');
  std::string many_hosts = "\"a\"";
  for (int i = 0; i < 256; ++i) many_hosts += ",\"a\"";
  std::string many_vars = R"({"name":"A"})";
  for (int i = 0; i < 256; ++i) many_vars += R"(,{"name":"A"})";
  const Case cases[] = {
      {"", "missing_name", "name"},
      {"{}", "missing_name", "name"},
      {R"({"name":""})", "missing_name", "name"},
      {R"({"name":"Bad_Name"})", "bad_name", "63"},
      {R"({"name":"-a"})", "bad_name", "63"},
      {"{\"name\":\"" + std::string(64, 'a') + "\"}", "bad_name", "63"},
      {R"({"name":7})", "bad_metadata", "name"},
      {"[]", "bad_metadata", "object"},
      {"nonsense", "bad_metadata", "object"},
      {R"({"name":"a"} x)", "bad_metadata", "object"},
      {"{\"name\":\"a\",\"ttl\":\"\xff\"}", "bad_metadata", "object"},
      {std::string(1024 * 1024 + 1, ' '), "bad_metadata", "1 MiB"},
      {std::string(60'000, '['), "bad_metadata", "object"},
      {R"({"name":"a","runtime":[]})", "bad_metadata", "runtime"},
      {R"({"name":"a","runtime":{"lane":"slow"}})", "bad_metadata", "lane"},
      {R"({"name":"a","runtime":{"template":7}})", "bad_metadata", "template"},
      {R"({"name":"a","runtime":{"template":"a\u0000b"}})", "bad_metadata", "template"},
      {R"({"name":"a","runtime":{"entrypoint":"a\nb"}})", "bad_metadata", "entrypoint"},
      {R"({"name":"a","runtime":{"entrypoint":"a\u0000b"}})", "bad_metadata", "entrypoint"},
      {"{\"name\":\"a\",\"runtime\":{\"entrypoint\":\"" + std::string(4097, 'x') + "\"}}",
       "bad_metadata", "entrypoint"},
      {R"({"name":"a","env":{}})", "bad_metadata", "env"},
      {R"({"name":"a","env":[7]})", "bad_metadata", "env[0]"},
      {R"({"name":"a","env":[{"name":"A"},{"value":"x"}]})", "bad_metadata", "env[1]"},
      {R"({"name":"a","env":[{"name":"1A"}]})", "bad_metadata", "env[0].name"},
      {R"({"name":"a","env":[{"name":"A=B"}]})", "bad_metadata", "env[0].name"},
      {R"({"name":"a","env":[{"name":"A\u0000"}]})", "bad_metadata", "env[0].name"},
      {R"({"name":"a","env":[{"name":"A","value":1}]})", "bad_metadata", "env[0].value"},
      {R"({"name":"a","env":[{"name":"A","value":"x\u0000y"}]})", "bad_metadata", "NUL"},
      {R"({"name":"a","env":[{"name":"A","value":")" + long_value + R"("}]})", "env_too_large",
       "120 KiB"},
      {R"({"name":"a","env":[)" + many_vars + "]}", "bad_metadata", "256"},
      {R"({"name":"a","egress":7})", "bad_metadata", "egress"},
      {R"({"name":"a","egress":{"allowed_hosts":"a"}})", "bad_metadata", "allowed_hosts"},
      {R"({"name":"a","egress":{"allowed_hosts":[)" + many_hosts + "]}}", "bad_metadata", "256"},
      {R"({"name":"a","ttl":"soon"})", "bad_metadata", "ttl"},
      {R"({"name":"a","ttl":"-1h"})", "bad_metadata", "ttl"},
      {R"({"name":"a","ttl":30})", "bad_metadata", "ttl"},
  };
  for (const Case& wrong : cases) {
    auto metadata = parse(wrong.json);
    ASSERT_FALSE(metadata) << wrong.json.substr(0, 100);
    EXPECT_EQ(metadata.error().reason, wrong.reason) << wrong.json.substr(0, 100);
    EXPECT_NE(metadata.error().message.find(wrong.names), std::string::npos)
        << metadata.error().message;
    EXPECT_LT(metadata.error().message.size(), 200u) << "a message repeats no input";
  }
}

TEST(DeployMetadata, HostsAreNamesAndNothingElse) {
  for (const char* bad : {"", ".", "*", "*.", "a..b", "-a", "a-", "http://a", "a/b", "a b",
                          "a:", "a:x", "a:123456", "*.*.a", "a.*", "\\u0000", "[::1]", "user@a"}) {
    std::string json = std::string(R"({"name":"a","egress":{"allowed_hosts":[")") + bad + R"("]}})";
    auto metadata = parse(json);
    ASSERT_FALSE(metadata) << bad;
    EXPECT_EQ(metadata.error().reason, "bad_metadata") << bad;
  }
}

TEST(DeployMetadata, AnEnvironmentHasALimitInAll) {
  auto with = [](const std::string& value, int count) {
    std::string env;
    for (int i = 0; i < count; ++i)
      env += std::string(i == 0 ? "" : ",") + R"({"name":"V)" + std::to_string(i) +
             R"(","value":")" + value + "\"}";
    return parse(R"({"name":"a","env":[)" + env + "]}");
  };
  std::string eighth(32 * 1024 - 2, 'x');
  EXPECT_TRUE(with(eighth, 8));
  Error error = with(eighth, 9).error();
  EXPECT_EQ(error.reason, "env_too_large");
  EXPECT_EQ(http_status(error), 413);
  EXPECT_NE(error.message.find("294912 bytes"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace vibed
