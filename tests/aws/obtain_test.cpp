// Credentials from strict doubles of STS, a container's service and the instance's: they give
// nothing to who does not ask as the real ones want to be asked.
#include "aws/obtain.hpp"

#include <gtest/gtest.h>

#include <mutex>

#include "aws/chain.hpp"
#include "base/files.hpp"
#include "base/time.hpp"
#include "fetch/scripted_server.hpp"
#include "support/temp_dir.hpp"

namespace vibed::aws {
namespace {

using namespace std::chrono_literals;
using testing::ok_answer;
using testing::Script;
using testing::ScriptedServer;
using testing::Seen;
using testing::TempDir;

Script status(int code, const std::string& body = "") {
  return {"HTTP/1.1 " + std::to_string(code) +
          " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

std::string header(const Seen& seen, const std::string& name) {
  const std::string line = "\r\n" + name + ": ";
  const std::size_t at = seen.head.find(line);
  if (at == std::string::npos) return "";
  const std::size_t from = at + line.size();
  return seen.head.substr(from, seen.head.find('\r', from) - from);
}

bool is(const Seen& seen, const std::string& request) {
  return seen.head.starts_with(request + " HTTP/1.1\r\n");
}

const std::string kDocument =
    R"({"AccessKeyId":"AK","SecretAccessKey":"SK","Token":"TK","Expiration":"2026-11-23T06:00:00Z"})";

std::string sts_document(const std::string& action, const std::string& id) {
  return "<" + action + "Response><" + action + "Result><Credentials><AccessKeyId>" + id +
         "</AccessKeyId><SecretAccessKey>s-" + id + "</SecretAccessKey><SessionToken>t-" + id +
         "</SessionToken><Expiration>2026-11-23T06:00:00Z</Expiration></Credentials></" + action +
         "Result></" + action + "Response>";
}

class AwsObtain : public ::testing::Test {
 protected:
  Result<Credentials> get(const Environment& environment, const std::string& sts = "") {
    ObtainTools tools{http_.get(), nullptr, "eu-west-1", sts};
    return make_credentials({}, environment, tools)->get();
  }

  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file(folder_ / name, text, Durability::unsynced, 0600));
  }

  TempDir folder_;
  std::unique_ptr<fetch::Client> http_ = fetch::make_client();
};

// Version 2 only: a token by PUT with its life, and nothing without it.
Script instance(const Seen& seen) {
  if (is(seen, "PUT /latest/api/token")) {
    if (header(seen, "X-aws-ec2-metadata-token-ttl-seconds") != "21600") return status(400);
    return {ok_answer("metadata-token")};
  }
  if (!seen.head.starts_with("GET ")) return status(405);
  if (header(seen, "X-aws-ec2-metadata-token") != "metadata-token") return status(401);
  const std::string folder = "GET /latest/meta-data/iam/security-credentials/";
  if (is(seen, folder)) return {ok_answer("my-role")};
  if (is(seen, folder + "my-role")) return {ok_answer(kDocument)};
  return status(404);
}

TEST_F(AwsObtain, TheInstancesServiceIsAskedByItsSecondVersion) {
  ScriptedServer server(instance);
  auto got = get({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url()}});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->keys, (fetch::AwsKeys{"AK", "SK", "TK"}));
  EXPECT_EQ(got->expires, parse_rfc3339("2026-11-23T06:00:00Z"));
  EXPECT_EQ(got->origin, "the instance's role");
}

TEST_F(AwsObtain, TheFirstVersionIsNeverUsed) {
  std::atomic<int> gets = 0;
  ScriptedServer server([&](const Seen& seen) {
    if (seen.head.starts_with("PUT ")) return status(403);
    ++gets;
    return Script{ok_answer(kDocument)};
  });
  auto got = get({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url()}});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason, "storage_credentials");
  EXPECT_NE(got.error().message.find("hop limit"), std::string::npos) << got.error().message;
  EXPECT_EQ(gets, 0);
}

TEST_F(AwsObtain, AnInstanceWithoutARoleSaysSo) {
  ScriptedServer server([&](const Seen& seen) {
    return is(seen, "GET /latest/meta-data/iam/security-credentials/") ? status(404)
                                                                       : instance(seen);
  });
  auto got = get({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url()}});
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("no role"), std::string::npos) << got.error().message;
}

TEST_F(AwsObtain, NobodyAtTheInstancesAddressIsSoonKnown) {
  const auto begun = std::chrono::steady_clock::now();
  auto got = get({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"}});
  EXPECT_FALSE(got);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
}

TEST_F(AwsObtain, AContainersServiceWantsItsTokenEachTimeItIsRead) {
  std::mutex mutex;
  std::string wanted = "tok-1";
  ScriptedServer server([&](const Seen& seen) {
    std::lock_guard lock(mutex);
    if (!is(seen, "GET /v1/credentials")) return status(404);
    if (header(seen, "Authorization") != wanted) return status(401);
    return Script{ok_answer(kDocument)};
  });
  write("token", "tok-1\n");
  const Environment environment{
      {"AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url() + "/v1/credentials"},
      {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "old"},
      {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", folder_ / "token"}};
  auto cache = make_credentials({}, environment, {http_.get()});
  auto first = cache->get();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->keys.session, "TK");
  {
    std::lock_guard lock(mutex);
    wanted = "tok-2";
  }
  EXPECT_FALSE(cache->renew(first->keys)) << "the token in the file is the old one";
  write("token", "tok-2");
  EXPECT_TRUE(cache->renew(first->keys));
}

TEST_F(AwsObtain, ATokenThatDoesNotFitAHeaderIsRefused) {
  write("token", "a\nb");
  Environment environment{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/x"},
                          {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", folder_ / "token"}};
  EXPECT_NE(get(environment).error().message.find("is no token"), std::string::npos);
  write("token", "");
  EXPECT_NE(get(environment).error().message.find("is empty"), std::string::npos);
}

TEST_F(AwsObtain, AWebIdentityIsGivenToStsWithoutASignature) {
  write("web", "e.y.J/+\n");
  std::string body;
  ScriptedServer server([&](const Seen& seen) {
    body = seen.body;
    if (!is(seen, "POST /") || seen.head.find("Authorization") != std::string::npos) {
      return status(403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>");
    }
    if (header(seen, "Content-Type").find("x-www-form-urlencoded") == std::string::npos) {
      return status(400);
    }
    return Script{ok_answer(sts_document("AssumeRoleWithWebIdentity", "WEB"))};
  });
  auto got = get(
      {{"AWS_WEB_IDENTITY_TOKEN_FILE", folder_ / "web"}, {"AWS_ROLE_ARN", "arn:aws:iam::1:role/r"}},
      server.url());
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->keys, (fetch::AwsKeys{"WEB", "s-WEB", "t-WEB"}));
  EXPECT_EQ(body,
            "Action=AssumeRoleWithWebIdentity&WebIdentityToken=e.y.J%2F%2B&Version=2011-06-15"
            "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=vibed"
            "&DurationSeconds=3600");
}

TEST_F(AwsObtain, WhatStsRefusesIsSaidAndWhatMayPassIsAskedAgain) {
  write("web", "token");
  std::atomic<int> asked = 0;
  ScriptedServer server([&](const Seen&) {
    const std::string code = ++asked == 1 ? "IDPCommunicationError" : "InvalidIdentityToken";
    return status(400, "<ErrorResponse><Error><Code>" + code +
                           "</Code><Message>no OIDC provider</Message></Error></ErrorResponse>");
  });
  auto got = get({{"AWS_WEB_IDENTITY_TOKEN_FILE", folder_ / "web"}, {"AWS_ROLE_ARN", "arn:r"}},
                 server.url());
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("arn:r gave no credentials: InvalidIdentityToken: no OIDC"),
            std::string::npos)
      << got.error().message;
  EXPECT_EQ(asked, 2);
}

TEST_F(AwsObtain, ARoleOfARoleIsTakenWithTheKeysOfTheOneBefore) {
  write("config",
        "[profile app]\nrole_arn=arn:app\nsource_profile=team\nexternal_id=x/1\n"
        "[profile team]\nrole_arn=arn:team\nsource_profile=base\n");
  write("credentials", "[base]\naws_access_key_id=BASE\naws_secret_access_key=BASES\n");
  std::vector<std::string> asked;
  ScriptedServer server([&](const Seen& seen) {
    const std::string by = header(seen, "Authorization");
    const std::string id = by.substr(by.find("Credential=") + 11, by.find('/') - by.find('=') - 1);
    const bool is_app = seen.body.find("RoleArn=arn%3Aapp") != std::string::npos;
    asked.push_back(id + (is_app ? "→app" : "→team"));
    if (by.find("/eu-west-1/sts/aws4_request") == std::string::npos) return status(403);
    if (is_app && header(seen, "X-Amz-Security-Token") != "t-TEAM") return status(403);
    if (is_app && seen.body.find("&ExternalId=x%2F1") == std::string::npos) return status(403);
    return Script{ok_answer(sts_document("AssumeRole", is_app ? "APP" : "TEAM"))};
  });
  auto got = get({{"AWS_PROFILE", "app"},
                  {"AWS_CONFIG_FILE", folder_ / "config"},
                  {"AWS_SHARED_CREDENTIALS_FILE", folder_ / "credentials"}},
                 server.url());
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->keys.id, "APP");
  EXPECT_EQ(got->origin, "the profile app");
  EXPECT_EQ(asked, (std::vector<std::string>{"BASE→team", "TEAM→app"}));
}

TEST_F(AwsObtain, KeysOfAFileAreReadAgainWhenTheyAreRefused) {
  write("credentials", "[default]\naws_access_key_id=ONE\naws_secret_access_key=S\n");
  auto cache = make_credentials({}, {{"AWS_SHARED_CREDENTIALS_FILE", folder_ / "credentials"}},
                                {http_.get()});
  auto first = cache->get();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->keys.id, "ONE");
  write("credentials", "[default]\naws_access_key_id=TWO\naws_secret_access_key=S\n");
  EXPECT_EQ(cache->get()->keys.id, "ONE");
  EXPECT_EQ(cache->renew(first->keys)->keys.id, "TWO");
}

TEST_F(AwsObtain, KeysOfTheConfigurationComeFirst) {
  auto cache =
      make_credentials({"CONFIG", "S", ""},
                       {{"AWS_ACCESS_KEY_ID", "A"}, {"AWS_SECRET_ACCESS_KEY", "B"}}, {http_.get()});
  EXPECT_EQ(cache->get()->keys.id, "CONFIG");
  EXPECT_EQ(cache->get()->origin, "the configuration");
}

}  // namespace
}  // namespace vibed::aws
