// Where a bucket is, what can be done about a failure, and what it is called.
#include <gtest/gtest.h>

#include "aws/retry.hpp"
#include "aws/s3_address.hpp"
#include "aws/s3_error.hpp"
#include "base/error_codes.hpp"

namespace vibed::aws {
namespace {

using namespace std::chrono_literals;

std::string url_of(const std::string& endpoint, const std::string& bucket,
                   Addressing addressing = Addressing::automatic,
                   const std::string& region = "eu-west-1") {
  auto address = S3Address::make(endpoint, bucket, region, addressing);
  return address ? address->url("a.v1.0.tar.gz") : address.error().reason;
}

TEST(S3Address, IsAHostOnAwsAndAPathElsewhere) {
  EXPECT_EQ(url_of("", "b"), "https://b.s3.eu-west-1.amazonaws.com/a.v1.0.tar.gz");
  EXPECT_EQ(url_of("", "b", Addressing::automatic, "cn-north-1"),
            "https://b.s3.cn-north-1.amazonaws.com.cn/a.v1.0.tar.gz");
  EXPECT_EQ(url_of("", "b.c"), "https://s3.eu-west-1.amazonaws.com/b.c/a.v1.0.tar.gz")
      << "the certificate has one label";
  EXPECT_EQ(url_of("", "b", Addressing::path),
            "https://s3.eu-west-1.amazonaws.com/b/a.v1.0.tar.gz");
  EXPECT_EQ(url_of("http://minio:9000/", "b"), "http://minio:9000/b/a.v1.0.tar.gz");
  EXPECT_EQ(url_of("https://h/prefix", "b"), "https://h/prefix/b/a.v1.0.tar.gz");
  EXPECT_EQ(url_of("http://s3.localhost:7820", "b", Addressing::host),
            "http://b.s3.localhost:7820/a.v1.0.tar.gz");
  EXPECT_EQ(S3Address::make("http://h", "b", "r", Addressing::path)->url("", {{"uploads", ""}}),
            "http://h/b/?uploads=");
}

TEST(S3Address, KnowsTheUrlsOfItsBucket) {
  auto address = S3Address::make("", "b", "eu-west-1", Addressing::automatic);
  const std::string bucket = "https://b.s3.eu-west-1.amazonaws.com";
  EXPECT_EQ(address->key_of(bucket + "/a.v1.tar.gz?X-Amz-Date=x#y"), "a.v1.tar.gz");
  EXPECT_EQ(address->key_of(address->url("p/a b%+\xC3\xA4")), "p/a b%+\xC3\xA4");
  for (const std::string& other :
       {std::string(), bucket, bucket + ".evil/x",
        std::string("https://c.s3.eu-west-1.amazonaws.com/x"), "http" + bucket.substr(5) + "/x",
        bucket + "/a%2", bucket + "/a%zz", bucket + "/%"}) {
    EXPECT_EQ(address->key_of(other), "") << other;
  }
}

TEST(S3Address, WhatIsNoneIsBadConfig) {
  for (const char* endpoint : {"minio:9000", "ftp://h", "http://", "http://u:p@h", "http://h?x",
                               "http://h#x", "http://h h"}) {
    EXPECT_EQ(url_of(endpoint, "b"), "bad_config") << endpoint;
  }
  for (const char* bucket : {"", "a/b", "..", "a..b", ".a", "a b", "a?b"}) {
    EXPECT_EQ(url_of("http://h", bucket), "bad_config") << bucket;
  }
  EXPECT_EQ(url_of("", "b", Addressing::automatic, "x.evil.example/"), "bad_config");
  EXPECT_EQ(url_of("", "b", Addressing::automatic, ""), "bad_config");
}

Failure failure(int status, const std::string& code = "") {
  Failure made;
  made.status = status;
  made.code = code;
  return made;
}

TEST(AwsRetry, EachFailureHasItsCure) {
  for (const auto& [status, code] :
       std::vector<std::pair<int, std::string>>{{503, "SlowDown"},
                                                {500, "InternalError"},
                                                {429, ""},
                                                {502, ""},
                                                {504, ""},
                                                {400, "RequestTimeout"},
                                                {400, "BadDigest"},
                                                {409, "OperationAborted"},
                                                {409, "ConditionalRequestConflict"},
                                                {400, "IncompleteBody"},
                                                {500, ""},
                                                {408, ""}}) {
    EXPECT_EQ(cure_of(failure(status, code)), Cure::wait) << status << code;
  }
  for (const auto& [status, code] : std::vector<std::pair<int, std::string>>{
           {400, "ExpiredToken"}, {403, "InvalidAccessKeyId"}, {400, "InvalidToken"}, {401, ""}}) {
    EXPECT_EQ(cure_of(failure(status, code)), Cure::renew) << status << code;
  }
  EXPECT_EQ(cure_of(failure(403, "RequestTimeTooSkewed")), Cure::clock);
  for (const auto& [status, code] :
       std::vector<std::pair<int, std::string>>{{403, "AccessDenied"},
                                                {404, "NoSuchBucket"},
                                                {412, "PreconditionFailed"},
                                                {403, ""},
                                                {507, ""},
                                                {501, "NotImplemented"},
                                                {400, "EntityTooSmall"},
                                                {301, ""},
                                                {403, "SignatureDoesNotMatch"}}) {
    EXPECT_EQ(cure_of(failure(status, code)), Cure::none) << status << code;
  }
}

TEST(AwsRetry, NoAnswerMayPassAndNothingElse) {
  Failure none;
  none.error = Errc::unavailable;
  EXPECT_EQ(cure_of(none), Cure::wait);
  none.error = Errc::deadline_exceeded;
  EXPECT_EQ(cure_of(none), Cure::wait);
  none.error = Errc::invalid_argument;
  EXPECT_EQ(cure_of(none), Cure::none);
  none.error = Errc::cancelled;
  EXPECT_EQ(cure_of(none), Cure::none);
}

TEST(AwsRetry, AnAnswerWithoutABodyMayMeanTemporaryKeysThatEnded) {
  Failure head = failure(400);
  EXPECT_EQ(cure_of(head), Cure::none);
  head.temporary_keys = true;
  EXPECT_EQ(cure_of(head), Cure::renew);
  head.status = 403;
  EXPECT_EQ(cure_of(head), Cure::renew);
  head.status = 404;
  EXPECT_EQ(cure_of(head), Cure::none);
}

TEST(AwsRetry, AnotherTimeIsAWrongClockWhateverTheWord) {
  Failure denied = failure(403, "AccessDenied");
  denied.clock_off = 301s;
  EXPECT_EQ(cure_of(denied), Cure::clock);
  denied.clock_off = -301s;
  EXPECT_EQ(cure_of(denied), Cure::clock);
  denied.clock_off = 300s;
  EXPECT_EQ(cure_of(denied), Cure::none);
  denied.clock_off = 3600s;
  denied.status = 404;
  EXPECT_EQ(cure_of(denied), Cure::none);
}

TEST(AwsRetry, WaitsDoubleWithJitterAndDoAsTheyAreAsked) {
  EXPECT_EQ(backoff(1, 0, {}), 50ms);
  EXPECT_EQ(backoff(1, 1, {}), 100ms);
  EXPECT_EQ(backoff(2, 0.5, {}), 150ms);
  EXPECT_EQ(backoff(3, 1, {}), 400ms);
  EXPECT_EQ(backoff(100, 1, {}), 5000ms);
  EXPECT_EQ(backoff(1, 7, {}), 100ms);
  EXPECT_EQ(backoff(1, 0, 3s), 3050ms);
  EXPECT_EQ(backoff(1, 0, 3600s), 30050ms) << "not for ever";
  EXPECT_EQ(backoff(1, 0, -5s), 50ms);
}

Error named(int status, const std::string& code = "", std::chrono::seconds off = 0s) {
  S3Failed failed;
  failed.status = status;
  failed.said = {code, code.empty() ? "" : "said the store", "eu-west-3"};
  failed.clock_off = off;
  failed.action = "s3:PutObject";
  failed.bucket = "my-bucket";
  failed.endpoint = "https://s3.test";
  failed.region = "us-east-1";
  failed.key_id = "AKID";
  failed.origin = "the environment";
  return s3_error(failed);
}

TEST(S3Error, EachHasAWordAndSaysWhatToDo) {
  struct Row {
    int status;
    std::string code;
    std::string reason;
    std::string next;
  };
  for (const Row& row : std::vector<Row>{
           {404, "NoSuchBucket", "storage_missing", "storage.tarball.s3.bucket"},
           {403, "AccessDenied", "storage_denied", "s3:PutObject to the environment (AKID)"},
           {403, "", "storage_denied", "policy"},
           {403, "InvalidAccessKeyId", "storage_credentials", "renew them"},
           {403, "SignatureDoesNotMatch", "storage_credentials", "the environment"},
           {400, "ExpiredToken", "storage_credentials", "AKID"},
           {401, "", "storage_credentials", "renew"},
           {403, "RequestTimeTooSkewed", "storage_clock_skew", "NTP"},
           {301, "PermanentRedirect", "bad_config", "storage.tarball.s3.region to eu-west-3"},
           {400, "AuthorizationHeaderMalformed", "bad_config", "not in region us-east-1"},
           {507, "", "storage_full", "my-bucket is full"},
           {403, "QuotaExceeded", "storage_full", "quota"},
           {507, "XMinioStorageFull", "storage_full", "XMinioStorageFull: said the store"},
           {503, "SlowDown", "storage_unavailable", "https://s3.test"},
           {500, "", "storage_unavailable", "status 500"},
           {400, "MalformedXML", "storage_refused", "MalformedXML"},
           {501, "NotImplemented", "storage_refused", "NotImplemented"}}) {
    const Error error = named(row.status, row.code);
    EXPECT_EQ(error.reason, row.reason) << row.code << ": " << error.message;
    EXPECT_NE(error.message.find(row.next), std::string::npos) << error.message;
    EXPECT_EQ(wire_code(error), row.reason);
  }
  EXPECT_EQ(named(404, "NoSuchKey").code, Errc::not_found);
  EXPECT_EQ(named(404).reason, "storage_refused") << "not S3's own words: nothing is known";
  EXPECT_EQ(named(404, "XAdminUserNotFound").reason, "storage_credentials");
  S3Failed head;
  head.status = 404;
  EXPECT_NE(s3_error(head).code, Errc::not_found);
  head.is_head = true;
  EXPECT_EQ(s3_error(head).code, Errc::not_found) << "no answer to HEAD has words";
  EXPECT_EQ(named(412, "PreconditionFailed").code, Errc::already_exists);
}

TEST(S3Error, AWrongClockIsToldByHowMuch) {
  EXPECT_NE(named(403, "RequestTimeTooSkewed", 3600s).message.find("1h0m0s behind"),
            std::string::npos);
  EXPECT_NE(named(403, "AccessDenied", -900s).message.find("15m0s ahead of"), std::string::npos);
}

TEST(S3Error, NoAnswerNamesTheStoreAndNotTheObject) {
  S3Failed none;
  none.connection = {Errc::unavailable, "could not connect"};
  none.endpoint = "https://s3.test";
  const Error error = s3_error(none);
  EXPECT_EQ(error.reason, "storage_unavailable");
  EXPECT_EQ(error.message,
            "the source store at https://s3.test does not answer: could not connect");
  none.connection.code = Errc::cancelled;
  EXPECT_EQ(s3_error(none).code, Errc::cancelled);
}

}  // namespace
}  // namespace vibed::aws
