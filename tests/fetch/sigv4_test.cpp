// Signatures against the examples that AWS publishes for SigV4 and S3, and against botocore.
#include "fetch/sigv4.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "process/run.hpp"

namespace vibed::fetch {
namespace {

using Json = nlohmann::json;

// The keys and the moment of the examples in the S3 documentation.
const AwsKeys kS3Keys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const SigningScope kS3{"us-east-1", "s3", *parse_rfc3339("2013-05-24T00:00:00Z")};
const std::string kBucket = "https://examplebucket.s3.amazonaws.com";

// Those of the SigV4 test suite.
const AwsKeys kSuiteKeys{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const SigningScope kSuite{"us-east-1", "service", *parse_rfc3339("2015-08-30T12:36:00Z")};
const std::string kSuiteUrl = "https://example.amazonaws.com";

std::string header(const Result<Pairs>& signed_, const std::string& name) {
  if (!signed_) return signed_.error().message;
  for (const auto& [key, value] : *signed_) {
    if (key == name) return value;
  }
  return "";
}

std::string signature_of(const Result<Pairs>& signed_) {
  const std::string text = header(signed_, "Authorization");
  return text.substr(text.find("Signature=") + 10);
}

struct Example {
  std::string name;
  Signable request;
  std::string signature;
};

const std::vector<Example> kS3Examples = {
    {"a range of an object",
     {"GET", kBucket + "/test.txt", {{"Range", "bytes=0-9"}}, std::string(kEmptyHash)},
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"an object is put",
     {"PUT",
      kBucket + "/test%24file.text",
      {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
      "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"a query without a value",
     {"GET", kBucket + "/?lifecycle", {}, std::string(kEmptyHash)},
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"a list",
     {"GET", kBucket + "/?max-keys=2&prefix=J", {}, std::string(kEmptyHash)},
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"}};

TEST(SigV4, TheExamplesOfTheS3Documentation) {
  for (const Example& example : kS3Examples) {
    EXPECT_EQ(signature_of(sign(example.request, kS3Keys, kS3)), example.signature) << example.name;
  }
  const auto first = sign(kS3Examples[0].request, kS3Keys, kS3);
  EXPECT_EQ(header(first, "Authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=" +
                kS3Examples[0].signature);
  EXPECT_EQ(header(first, "X-Amz-Date"), "20130524T000000Z");
  EXPECT_EQ(header(first, "Host"), "examplebucket.s3.amazonaws.com");
  EXPECT_EQ(header(first, "X-Amz-Content-Sha256"), kEmptyHash);
}

TEST(SigV4, ThePresignedExampleOfTheS3Documentation) {
  auto url = presign({"GET", kBucket + "/test.txt"}, kS3Keys, kS3, std::chrono::hours(24));
  ASSERT_TRUE(url);
  EXPECT_EQ(*url, kBucket +
                      "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                      "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
                      "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
                      "&X-Amz-SignedHeaders=host&X-Amz-Signature="
                      "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(SigV4, TheTestSuiteOfTheSignature) {
  const std::string empty(kEmptyHash);
  const std::vector<Example> suite = {
      {"get-vanilla",
       {"GET", kSuiteUrl + "/", {}, empty},
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-query-order-key-case",
       {"GET", kSuiteUrl + "/?Param2=value2&Param1=value1", {}, empty},
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"post-vanilla",
       {"POST", kSuiteUrl + "/", {}, empty},
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"}};
  for (const Example& example : suite) {
    EXPECT_EQ(signature_of(sign(example.request, kSuiteKeys, kSuite)), example.signature)
        << example.name;
  }
}

TEST(SigV4, TheExampleOfTheSigningGuide) {
  const SigningScope iam{"us-east-1", "iam", *parse_rfc3339("2015-08-30T12:36:00Z")};
  const Signable request{"GET",
                         "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
                         {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
                         std::string(kEmptyHash)};
  EXPECT_EQ(signature_of(sign(request, kSuiteKeys, iam)),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

TEST(SigV4, WhatIsHashedIsCanonical) {
  const Signable request{"GET",
                         "https://h.test:8443/a%20b/c?b=2&a=%2F&a=",
                         {{"X-Two", "  a   b  "}, {"x-one", "1"}, {"X-One", " 2 "}},
                         "HASH"};
  EXPECT_EQ(canonical_request(request, "h.test:8443", {"r", "s3", {}}),
            "GET\n/a%20b/c\na=&a=%2F&b=2\nhost:h.test:8443\nx-one:1,2\nx-two:a b\n\n"
            "host;x-one;x-two\nHASH");
  EXPECT_TRUE(
      canonical_request(request, "h.test:8443", {"r", "sts", {}}).starts_with("GET\n/a%2520b/c\n"))
      << "only S3 encodes a path once";
}

TEST(SigV4, ThePortThatGoesWithoutSayingIsNotSigned) {
  const std::vector<std::pair<std::string, std::string>> hosts = {
      {"https://h:443/x", "h"}, {"http://h:80/x", "h"},        {"http://h:443/x", "h:443"},
      {"https://h:80", "h:80"}, {"http://[::1]:80/", "[::1]"}, {"https://h?a=b", "h"}};
  for (const auto& [url, host] : hosts) {
    EXPECT_EQ(header(sign({"GET", url, {}, "x"}, kS3Keys, kS3), "Host"), host) << url;
  }
}

TEST(SigV4, ASessionIsSignedAndSent) {
  AwsKeys keys = kS3Keys;
  keys.session = "the/token=";
  const auto made = sign({"GET", kBucket + "/x", {}, std::string(kEmptyHash)}, keys, kS3);
  EXPECT_EQ(header(made, "X-Amz-Security-Token"), "the/token=");
  EXPECT_NE(header(made, "Authorization").find("x-amz-date;x-amz-security-token,"),
            std::string::npos);
  auto url = presign({"GET", kBucket + "/x?a=b"}, keys, kS3, std::chrono::seconds(60));
  EXPECT_NE(url->find("?a=b&X-Amz-Algorithm="), std::string::npos);
  EXPECT_NE(url->find("&X-Amz-Security-Token=the%2Ftoken%3D&"), std::string::npos);
}

TEST(SigV4, WhatIsNoUrlIsRefused) {
  for (const char* url : {"", "x", "://h/", "http:///x", "http://u@h/", "http://h/#x"}) {
    EXPECT_EQ(sign({"GET", url, {}, "x"}, kS3Keys, kS3).error().code, Errc::invalid_argument)
        << url;
    EXPECT_FALSE(presign({"GET", url}, kS3Keys, kS3, std::chrono::seconds(1))) << url;
  }
}

TEST(SigV4, TextsAreEncodedAsAwsDoes) {
  EXPECT_EQ(uri_encode("aZ09-._~/ +*%\xC3\xA4", Slash::keep), "aZ09-._~/%20%2B%2A%25%C3%A4");
  EXPECT_EQ(uri_encode("/", Slash::encode), "%2F");
  EXPECT_EQ(query_text({{"a b", "1/2"}, {"c", ""}}), "a%20b=1%2F2&c=");
}

TEST(SigV4, DatesOfAnswersAreRead) {
  EXPECT_EQ(parse_http_date("Fri, 24 May 2013 00:00:00 GMT"),
            parse_rfc3339("2013-05-24T00:00:00Z"));
  EXPECT_FALSE(parse_http_date("soon"));
  EXPECT_FALSE(parse_http_date(""));
}

// Many requests with all that may be in a URL, signed by us and by botocore.
TEST(SigV4, BotocoreSignsTheSame) {
  Json cases = Json::array();
  std::vector<std::string> own;
  for (int i = 0; i < 200; ++i) {
    const std::string odd = "k " + random_hex(3) + "/+*%=&~" + std::string(1, char('!' + i % 90));
    const std::string path = uri_encode(odd, Slash::keep);
    const Pairs query{{"list-type", "2"}, {odd, odd}, {"a", std::to_string(i)}};
    const std::string service = i % 4 == 0 ? "sts" : "s3";
    const Signable request{i % 3 == 0 ? "PUT" : "GET",
                           "http://127.0.0.1:7820/" + path + "?" + query_text(query),
                           {{"X-Amz-Meta-A", odd}},
                           to_hex(sha256(odd))};
    const AwsKeys keys{"AK" + random_hex(4), random_hex(20), i % 2 == 0 ? "" : odd};
    const SigningScope scope{"eu-west-1", service, *parse_rfc3339("2026-11-23T01:02:03Z")};
    const auto made = sign(request, keys, scope);
    ASSERT_TRUE(made);
    own.push_back(signature_of(made));
    cases.push_back({{"method", request.method},
                     {"url", request.url},
                     {"meta", odd},
                     {"body", odd},
                     {"id", keys.id},
                     {"secret", keys.secret},
                     {"session", keys.session},
                     {"service", service}});
  }
  auto output =
      run({"python3", VIBED_SOURCE_DIR "/tests/fetch/botocore_sign.py"}, {.input = cases.dump()});
  ASSERT_TRUE(output) << output.error().message;
  if (output->status.code == 77) GTEST_SKIP() << "no botocore here (pip install botocore)";
  ASSERT_TRUE(output->status.ok()) << output->err;
  EXPECT_EQ(Json::parse(output->out).get<std::vector<std::string>>(), own);
}

}  // namespace
}  // namespace vibed::fetch
