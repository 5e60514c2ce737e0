#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/time.hpp"
#include "vibed/app.hpp"

namespace vibed {
namespace {

using Json = nlohmann::json;

Time at(const char* text) { return *parse_rfc3339(text); }

App full_app() {
  App app;
  app.name = "hello";
  app.space = "vibed-apps";
  app.uid = "3f0e1c6e-0000-4000-8000-000000000001";
  app.generation = 3;
  app.resource_version = 42;
  app.created_at = at("2026-01-02T03:04:05Z");
  app.removed_at = at("2026-01-03T03:04:05Z");
  app.labels = {{"vibed.dev/owner", "admin"}};
  app.versions = {{1, at("2026-01-02T03:04:05Z"), "node-24", "general", "ab12", "hello.v1.00", 0},
                  {2, at("2026-01-02T04:04:05Z"), "node-24", "general", "ab12", "hello.v1.00", 1}};
  app.spec = {"admin",      "hello.v1.00",   "main", "general", "node-24", "node a.js",
              {{"A", "1"}}, {"example.org"}, "1",    "1Gi",     "1h",      true};
  app.status.phase = Phase::ready;
  app.status.url = "http://x.localhost";
  app.status.sandbox_ref = "s1";
  app.status.pod_ip = "10.0.0.1";
  app.status.route_target = "unix//x";
  app.status.runtime_version = "node v20.20.2";
  app.status.start_command = "node server.js (package.json: main)";
  app.status.last_deployed_at = at("2026-01-02T03:04:06Z");
  app.status.observed_generation = 2;
  app.status.conditions = {
      {"SourceValid", true, "Valid", "", at("2026-01-02T03:04:05Z"), 2},
      {"Ready", false, "Starting", "waiting for agent", at("2026-01-02T03:04:06Z"), 0}};
  return app;
}

TEST(AppJson, EveryFieldHasItsPlaceInTheCustomResource) {
  auto golden = Json::parse(R"json({
    "apiVersion": "vibed.dev/v1alpha1", "kind": "VibedApp",
    "metadata": {
      "name": "hello", "namespace": "vibed-apps", "uid": "3f0e1c6e-0000-4000-8000-000000000001",
      "generation": 3, "resourceVersion": "42", "creationTimestamp": "2026-01-02T03:04:05Z",
      "deletionTimestamp": "2026-01-03T03:04:05Z", "labels": {"vibed.dev/owner": "admin"},
      "annotations": {"vibed.dev/versions": "see below"}},
    "spec": {
      "owner": "admin", "source": {"tarballRef": "hello.v1.00", "gitRef": "main"},
      "runtime": {"lane": "general", "template": "node-24", "entrypoint": "node a.js",
                  "env": [{"name": "A", "value": "1"}]},
      "egress": {"allowedHosts": ["example.org"]},
      "resources": {"cpu": "1", "memory": "1Gi"}, "ttl": "1h", "suspended": true},
    "status": {
      "phase": "Ready", "url": "http://x.localhost", "sandboxRef": "s1", "podIP": "10.0.0.1",
      "routeTarget": "unix//x", "runtimeVersion": "node v20.20.2",
      "startCommand": "node server.js (package.json: main)",
      "lastDeployedAt": "2026-01-02T03:04:06Z", "observedGeneration": 2,
      "conditions": [
        {"type": "SourceValid", "status": "True", "reason": "Valid", "message": "",
         "lastTransitionTime": "2026-01-02T03:04:05Z", "observedGeneration": 2},
        {"type": "Ready", "status": "False", "reason": "Starting", "message": "waiting for agent",
         "lastTransitionTime": "2026-01-02T03:04:06Z"}]}})json");
  auto written = Json::parse(to_json(full_app()));
  auto& annotation = written["metadata"]["annotations"]["vibed.dev/versions"];
  auto versions = Json::parse(annotation.get<std::string>());
  annotation = "see below";
  EXPECT_EQ(written, golden);
  auto golden_versions = Json::parse(R"json([
    {"version": 1, "timestamp": "2026-01-02T03:04:05Z", "template": "node-24", "lane": "general",
     "sourceHash": "ab12", "tarballKey": "hello.v1.00", "tarballRef": "hello.v1.00"},
    {"version": 2, "timestamp": "2026-01-02T04:04:05Z", "template": "node-24", "lane": "general",
     "sourceHash": "ab12", "tarballKey": "hello.v1.00", "tarballRef": "hello.v1.00",
     "rolledBackFrom": 1}])json");
  EXPECT_EQ(versions, golden_versions);
}

TEST(AppJson, WhatIsEmptyIsLeftOut) {
  App app;
  app.name = "a";
  app.spec.owner = "admin";
  app.spec.lane = "fast";
  EXPECT_EQ(Json::parse(to_json(app)), Json::parse(R"({
    "apiVersion": "vibed.dev/v1alpha1", "kind": "VibedApp",
    "metadata": {"name": "a", "namespace": "", "uid": "", "generation": 0, "resourceVersion": "0",
                 "creationTimestamp": "1970-01-01T00:00:00Z"},
    "spec": {"owner": "admin", "source": {}, "runtime": {"lane": "fast"},
             "resources": {"cpu": "500m", "memory": "256Mi"}, "ttl": "30m"},
    "status": {}})"));
}

TEST(AppJson, AnAppSurvivesTheRoundTrip) {
  auto back = app_from_json(to_json(full_app()));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, full_app());
}

TEST(AppJson, DefaultsOfTheCustomResourceAreFilledIn) {
  auto app = app_from_json(R"({"metadata":{"name":"a"},
    "spec":{"owner":"o","source":{},"runtime":{"lane":"fast"},"unknown":[1]},"more":null})");
  ASSERT_TRUE(app) << app.error().message;
  EXPECT_EQ(app->spec.cpu, "500m");
  EXPECT_EQ(app->spec.memory, "256Mi");
  EXPECT_EQ(app->spec.ttl, "30m");
  EXPECT_FALSE(app->spec.suspended);
  EXPECT_EQ(app->status, AppStatus{});
}

TEST(AppJson, AVersionWithoutAKeyIsFoundByItsReference) {
  auto app = app_from_json(R"({"metadata":{"name":"a","annotations":{"vibed.dev/versions":
    "[{\"version\":1,\"tarballRef\":\"http://old\"}]"}},
    "spec":{"owner":"o","source":{},"runtime":{"lane":"fast"}}})");
  ASSERT_TRUE(app) << app.error().message;
  EXPECT_EQ(app->versions.at(0).source_key, "http://old");
}

TEST(AppJson, WhatIsMissingOrOfAWrongTypeIsNamed) {
  struct Case {
    const char* json;
    const char* named;
  };
  const Case cases[] = {
      {R"(7)", "JSON object"},
      {R"({"spec":{}})", "metadata"},
      {R"({"metadata":{}})", "name"},
      {R"({"metadata":{"name":"a"}})", "spec"},
      {R"({"metadata":{"name":"a"},"spec":{"source":{},"runtime":{"lane":"fast"}}})", "owner"},
      {R"({"metadata":{"name":"a"},"spec":{"owner":"o","runtime":{"lane":"fast"}}})", "source"},
      {R"({"metadata":{"name":"a"},"spec":{"owner":"o","source":{}}})", "runtime"},
      {R"({"metadata":{"name":"a"},"spec":{"owner":"o","source":{},"runtime":{}}})", "lane"},
      {R"({"metadata":{"name":"a"},"spec":{"owner":"o","source":{},"runtime":{"lane":"x"}}})",
       "lane"},
      {R"({"metadata":{"name":"a"},"spec":{"owner":3,"source":{},"runtime":{"lane":"fast"}}})",
       "owner"},
      {R"({"metadata":{"name":"a","generation":1.5},
           "spec":{"owner":"o","source":{},"runtime":{"lane":"fast"}}})",
       "generation"},
      {R"({"metadata":{"name":"a","generation":18446744073709551615},
           "spec":{"owner":"o","source":{},"runtime":{"lane":"fast"}}})",
       "generation"},
      {R"({"metadata":{"name":"a","resourceVersion":"1x"},
           "spec":{"owner":"o","source":{},"runtime":{"lane":"fast"}}})",
       "resourceVersion"},
      {R"({"metadata":{"name":"a"},"spec":{"owner":"o","source":{},"runtime":{"lane":"fast"}},
           "status":{"phase":"Dancing"}})",
       "phase"},
      {R"({"metadata":{"name":"a","annotations":{"vibed.dev/versions":"{"}},
           "spec":{"owner":"o","source":{},"runtime":{"lane":"fast"}}})",
       "versions"},
  };
  for (const Case& wrong : cases) {
    auto app = app_from_json(wrong.json);
    ASSERT_FALSE(app) << wrong.json;
    EXPECT_EQ(app.error().code, Errc::invalid_argument);
    EXPECT_NE(app.error().message.find(wrong.named), std::string::npos) << app.error().message;
  }
}

TEST(AppJson, ALogLineThatIsNoUtf8DoesNotThrow) {
  App app = full_app();
  app.status.conditions[1].message = "\xff\xfe broken";
  auto back = app_from_json(to_json(app));
  ASSERT_TRUE(back);
  EXPECT_NE(back->status.conditions[1].message.find(" broken"), std::string::npos);
}

}  // namespace
}  // namespace vibed
