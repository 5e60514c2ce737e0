// The store in a bucket when something around it is wrong: clocks, credentials, the configuration.
#include <gtest/gtest.h>

#include <atomic>
#include <ctime>
#include <thread>

#include "base/time.hpp"
#include "source/s3_source_store.hpp"
#include "source/s3_world.hpp"

namespace vibed::testing {
namespace {

using namespace std::chrono_literals;
using Log = std::vector<std::string>;

// A store whose clock is an hour ahead, and which takes no signature that is 15 minutes old.
S3Fault an_hour_ahead(const S3Asked& asked) {
  const auto now = std::chrono::system_clock::now() + 1h;
  std::string date = asked.header("X-Amz-Date");
  for (const std::size_t at : {4U, 7U, 13U, 16U}) date.insert(at, at < 10 ? "-" : ":");
  const auto signed_at = parse_rfc3339(date);
  if (signed_at && now - *signed_at < 15min && *signed_at - now < 15min) return {};
  char text[64];
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm fields{};
  gmtime_r(&seconds, &fields);
  std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &fields);
  if (asked.method == "HEAD") {
    return {Script{"HTTP/1.1 403 X\r\n" + std::string(text) + "Content-Length: 0\r\n\r\n"}};
  }
  return {s3_failure(403, "RequestTimeTooSkewed", text)};
}

TEST(S3SourceStore, TheStoresTimeIsUsedWhereTheMachinesIsWrong) {
  S3Double s3([](const S3Asked& asked, int) { return an_hour_ahead(asked); });
  auto store = open(s3.options());
  auto stored = put(*store, "hello");
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(s3.count("LIST"), 2) << "corrected once, at the first request";
  EXPECT_EQ(s3.log(), (Log{"PUT", "HEAD"}));
  const std::string later = to_rfc3339(std::chrono::system_clock::now() + 1h).substr(11, 2);
  const std::string url = *store->url(stored->key, 60s);
  EXPECT_EQ(url.substr(url.find("X-Amz-Date=") + 20, 2), later) << url;
}

TEST(S3SourceStore, AClockThatCannotBeCorrectedIsToldByHowMuch) {
  const std::string date = "Date: Mon, 23 Nov 2026 03:00:00 GMT\r\n";
  S3Double s3(first(99, "LIST", s3_failure(403, "RequestTimeTooSkewed", date)));
  S3Tuning with = tuning();
  with.now = [] { return *parse_rfc3339("2026-11-23T02:00:00Z"); };
  auto opened = open_s3_source_store(s3.options(), with);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, "storage_clock_skew");
  EXPECT_NE(opened.error().message.find("1h0m0s behind"), std::string::npos)
      << opened.error().message;
  EXPECT_EQ(s3.count("LIST"), 2);
}

TEST(S3SourceStore, ExpiredCredentialsAreRenewedOnce) {
  std::atomic<int> given = 0;
  ScriptedServer container([&](const Seen&) {
    return Script{ok_answer(R"({"AccessKeyId":"AK","SecretAccessKey":"SK","Token":"T)" +
                            std::to_string(++given) + R"(","Expiration":"2099-01-01T00:00:00Z"})")};
  });
  std::atomic<bool> expired = false;
  S3Double s3([&](const S3Asked& asked, int) {
    const bool old = expired && asked.header("X-Amz-Security-Token") == "T1";
    if (old && asked.method == "HEAD") return S3Fault{Script{"HTTP/1.1 400 X\r\n\r\n", true}};
    return old ? S3Fault{s3_failure(400, "ExpiredToken")} : S3Fault{};
  });
  S3SourceOptions options = s3.options();
  options.access_key = options.secret_key = "";
  options.environment = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url() + "/c"}};
  auto store = open(options);
  expired = true;
  auto stored = put(*store, "hello");
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(s3.log(), (Log{"PUT", "PUT", "HEAD"}));
  EXPECT_EQ(given, 2);
  EXPECT_NE(store->url(stored->key, 60s)->find("&X-Amz-Security-Token=T2&"), std::string::npos);
}

TEST(S3SourceStore, AUrlIsSignedWithKeysThatOutliveIt) {
  const auto start = std::chrono::system_clock::now();
  std::atomic<std::chrono::seconds> later = 0s;
  std::atomic<int> given = 0;
  ScriptedServer container([&](const Seen&) {
    const std::string end = to_rfc3339(start + later.load() + 600s);
    return Script{ok_answer(R"({"AccessKeyId":"AK","SecretAccessKey":"SK","Token":"T)" +
                            std::to_string(++given) + R"(","Expiration":")" + end + "\"}")};
  });
  S3Double s3;
  S3SourceOptions options = s3.options();
  options.access_key = options.secret_key = "";
  options.environment = {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url() + "/c"}};
  S3Tuning with = tuning();
  with.now = [&] { return start + later.load(); };
  auto store = open(options, with);
  const std::string key = "app.v1.00112233445566778899aabbccddeeff";
  s3.put_object(key + ".tar.gz", "hello");
  EXPECT_NE(store->url(key, 60s)->find("&X-Amz-Security-Token=T1&"), std::string::npos);
  later = 120s;
  EXPECT_NE(store->url(key, 60s)->find("&X-Amz-Security-Token=T1&"), std::string::npos);
  EXPECT_NE(store->url(key, 900s)->find("&X-Amz-Security-Token=T2&"), std::string::npos)
      << "eight minutes are not enough";
  EXPECT_EQ(given, 2);
}

TEST(S3SourceStore, NoUrlIsSignedForWhatWouldNotBeGiven) {
  const std::string key = "app.v1.00112233445566778899aabbccddeeff";
  std::string fault;
  S3Double s3([&](const S3Asked& asked, int) {
    if (asked.method != "GET" || fault.empty()) return S3Fault{};
    return S3Fault{s3_failure(fault == "ExpiredToken" ? 400 : 403, fault)};
  });
  auto store = open(s3.options());
  EXPECT_EQ(store->url(key, 60s).error().code, Errc::not_found);
  s3.put_object(key + ".tar.gz", "hello");
  EXPECT_TRUE(store->url(key, 60s));
  for (const auto& [word, reason] : {std::pair{"ExpiredToken", "storage_credentials"},
                                     std::pair{"InvalidAccessKeyId", "storage_credentials"},
                                     std::pair{"AccessDenied", "storage_denied"},
                                     std::pair{"RequestTimeTooSkewed", "storage_clock_skew"}}) {
    fault = word;
    auto url = store->url(key, 60s);
    ASSERT_FALSE(url) << word;
    EXPECT_EQ(url.error().reason, reason) << url.error().message;
    EXPECT_EQ(url.error().message.find(key), std::string::npos) << "a key is a capability";
  }
  fault.clear();
  EXPECT_TRUE(store->url(key, 60s)) << "they were renewed";
}

TEST(S3SourceStore, WhatRetryingDoesNotCureHasAReasonAndIsAskedOnce) {
  struct Row {
    int status;
    std::string code;
    std::string reason;
  };
  for (const Row& row : std::vector<Row>{{403, "AccessDenied", "storage_denied"},
                                         {404, "NoSuchBucket", "storage_missing"},
                                         {403, "InvalidAccessKeyId", "storage_credentials"},
                                         {400, "ExpiredToken", "storage_credentials"},
                                         {507, "XMinioStorageFull", "storage_full"},
                                         {403, "QuotaExceeded", "storage_full"},
                                         {301, "PermanentRedirect", "bad_config"},
                                         {400, "MalformedXML", "storage_refused"}}) {
    S3Double s3(first(99, "PUT", s3_failure(row.status, row.code)));
    auto store = open(s3.options());
    auto stored = put(*store, "hello");
    ASSERT_FALSE(stored) << row.code;
    EXPECT_EQ(stored.error().reason, row.reason) << stored.error().message;
    EXPECT_EQ(stored.error().message.find("app.v1"), std::string::npos) << stored.error().message;
    EXPECT_EQ(s3.count("PUT"), 1) << row.code;
  }
}

TEST(S3SourceStore, OpeningFailsForWhatRetryingDoesNotCure) {
  S3Double s3;
  S3SourceOptions options = s3.options();
  options.bucket = "absent";
  EXPECT_EQ(open_s3_source_store(options, tuning()).error().reason, "storage_missing");
  options = s3.options();
  options.secret_key = "";
  EXPECT_EQ(open_s3_source_store(options, tuning()).error().reason, "bad_config");
  options = s3.options();
  options.prefix = "no-slash";
  EXPECT_EQ(open_s3_source_store(options, tuning()).error().reason, "bad_config");
  options = s3.options();
  options.addressing = "virtual";
  EXPECT_EQ(open_s3_source_store(options, tuning()).error().reason, "bad_config");
  options = s3.options();
  options.environment = {{"AWS_CA_BUNDLE", "/nonexistent"}};
  EXPECT_EQ(open_s3_source_store(options, tuning()).error().reason, "bad_config");
  options.environment = {{"AWS_EC2_METADATA_DISABLED", "true"}};
  options.access_key = options.secret_key = "";
  EXPECT_EQ(open_s3_source_store(options, tuning()).error().reason, "storage_credentials");
}

TEST(S3SourceStore, AStoreThatDoesNotAnswerYetIsOpenedAndNoMessageNamesAKey) {
  S3SourceOptions options;
  options.endpoint = "http://127.0.0.1:1";
  options.bucket = "b";
  options.access_key = options.secret_key = "x";
  S3Tuning with = tuning();
  with.attempts = 2;
  auto store = open(options, with);
  auto stored = put(*store, "hello");
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().reason, "storage_unavailable");
  EXPECT_EQ(stored.error().message.find("app.v1"), std::string::npos) << stored.error().message;
}

TEST(S3SourceStore, AServerThatNeverAnswersHoldsNobodyForEver) {
  S3Double s3([](const S3Asked& asked, int) {
    if (asked.method != "PUT") return S3Fault{};
    return S3Fault{Script{.bytes = "", .before = [] { std::this_thread::sleep_for(700ms); }}};
  });
  S3Tuning with = tuning();
  with.attempt_timeout = 200ms;
  with.deadline = 500ms;
  auto store = open(s3.options(), with);
  const auto begun = std::chrono::steady_clock::now();
  auto stored = put(*store, "hello");
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().reason, "storage_unavailable");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
}

}  // namespace
}  // namespace vibed::testing
