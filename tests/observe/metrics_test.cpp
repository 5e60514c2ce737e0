#include "observe/metrics.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <thread>

#include "observe/process_stats.hpp"

namespace vibed::observe {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, CountsWhatItIsTold) {
  Metrics metrics;
  metrics.count_deploy("success", "node-24", 0.3);
  metrics.count_deploy("success", "node-24", 7);
  metrics.count_deploy("failed", "", 0.1);
  metrics.count_delete("success");
  metrics.count_request("GET", "/v1/apps/{id}", 200, 0.002);
  metrics.stream_opened();
  metrics.stream_opened();
  metrics.stream_closed();
  std::string text = metrics.text();
  EXPECT_TRUE(has_line(text, R"(vibed_deploys_total{status="success",target="node-24"} 2)"))
      << text;
  EXPECT_TRUE(has_line(text, R"(vibed_deploys_total{status="failed",target="none"} 1)")) << text;
  EXPECT_TRUE(has_line(
      text, R"(vibed_deploy_duration_seconds_bucket{status="success",target="node-24",le="5"} 1)"))
      << text;
  EXPECT_TRUE(has_line(text, R"(vibed_deletes_total{status="success"} 1)")) << text;
  EXPECT_TRUE(has_line(
      text, R"(vibed_http_requests_total{method="GET",path="/v1/apps/{id}",status_code="200"} 1)"))
      << text;
  EXPECT_TRUE(has_line(
      text, R"(vibed_http_request_duration_seconds_count{method="GET",path="/v1/apps/{id}"} 1)"))
      << text;
  EXPECT_TRUE(has_line(text, "vibed_sse_connections_active 1")) << text;
}

TEST(Metrics, WhatStrangersSendIsNoLabel) {
  Metrics metrics;
  for (int i = 0; i < 100; ++i) metrics.count_request("M" + std::to_string(i), "", 404, 0);
  EXPECT_TRUE(has_line(
      metrics.text(),
      R"(vibed_http_requests_total{method="other",path="unmatched",status_code="404"} 100)"));
}

TEST(Metrics, GaugesAreReplacedAsAWhole) {
  Metrics metrics;
  metrics.set_apps({{"node-24", 2}, {"go-123", 1}});
  metrics.set_apps({{"node-24", 3}});
  metrics.set_pool({{"node-24", "ready", 2}, {"node-24", "claimed", 1}});
  metrics.set_pool({{"node-24", "ready", 1}});
  std::string text = metrics.text();
  EXPECT_TRUE(has_line(text, R"(vibed_artifacts_active{target="node-24"} 3)")) << text;
  EXPECT_EQ(text.find("go-123"), std::string::npos);
  EXPECT_TRUE(has_line(text, R"(vibed_pool_sandboxes{state="ready",template="node-24"} 1)"))
      << text;
  EXPECT_EQ(text.find("claimed"), std::string::npos);
}

TEST(Metrics, ClaimsAreCountedByTheirResult) {
  Metrics metrics;
  metrics.set_claims("node-24", 3, 1);
  metrics.set_claims("node-24", 5, 1);
  std::string text = metrics.text();
  EXPECT_TRUE(has_line(text, R"(vibed_pool_claims_total{result="hit",template="node-24"} 5)"))
      << text;
  EXPECT_TRUE(has_line(text, R"(vibed_pool_claims_total{result="miss",template="node-24"} 1)"))
      << text;
}

TEST(Metrics, EveryLineIsPrometheusText) {
  Metrics metrics;
  metrics.count_deploy("success", "a\"b\\c", 1);
  std::istringstream lines(metrics.text());
  const std::regex sample(R"(^[a-z_]+(\{.*\})? [-+0-9.eInfNa]+$)");
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(line.starts_with("# ") || std::regex_match(line, sample)) << line;
  }
}

TEST(Metrics, MayBeToldByManyAtOnce) {
  Metrics metrics;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) {
        metrics.count_request("GET", "/x", 200, 0);
        metrics.set_apps({{"a", k}});
        if (k % 50 == 0) metrics.text();
      }
    });
  }
  threads.clear();
  EXPECT_TRUE(
      has_line(metrics.text(),
               R"(vibed_http_requests_total{method="GET",path="/x",status_code="200"} 800)"));
}

TEST(ProcessStats, ThisProcessHasMemoryThreadsAndFiles) {
  ProcessStats stats = read_process_stats();
  EXPECT_GT(stats.resident_bytes, 100'000);
  EXPECT_GE(stats.threads, 1);
  EXPECT_GE(stats.open_fds, 3);
}

}  // namespace
}  // namespace vibed::observe
