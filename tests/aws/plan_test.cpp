// Where credentials, region and endpoint come from: every place and their order.
#include "aws/plan.hpp"

#include <gtest/gtest.h>

namespace vibed::aws {
namespace {

using Kind = Plan::Kind;

const Environment kKeys{{"AWS_ACCESS_KEY_ID", "AK"}, {"AWS_SECRET_ACCESS_KEY", "SK"}};
const Environment kWeb{{"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"}, {"AWS_ROLE_ARN", "arn:r"}};
const Environment kPod{
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/pod/token"}};

Environment joined(std::initializer_list<Environment> all) {
  Environment environment;
  for (const Environment& each : all) environment.insert(each.begin(), each.end());
  return environment;
}

Plan plan(const Environment& environment, const SharedFiles& files = {}) {
  auto made = plan_credentials(environment, files);
  EXPECT_TRUE(made) << made.error().message;
  return made ? *made : Plan{};
}

std::string refusal(const Environment& environment, const SharedFiles& files = {}) {
  auto made = plan_credentials(environment, files);
  EXPECT_FALSE(made);
  if (made) return "";
  EXPECT_EQ(made.error().reason, "storage_credentials");
  return made.error().message;
}

TEST(AwsPlan, TheOrderIsKeysThenWebIdentityThenProfileThenContainerThenInstance) {
  const SharedFiles files{"", "[default]\naws_access_key_id=P\naws_secret_access_key=Q\n"};
  EXPECT_EQ(plan(joined({kKeys, kWeb, kPod}), files).kind, Kind::keys);
  EXPECT_EQ(plan(joined({kKeys, kWeb, kPod}), files).origin, "the environment");
  EXPECT_EQ(plan(joined({kWeb, kPod}), files).kind, Kind::web_identity);
  EXPECT_EQ(plan(kPod, files).origin, "the profile default");
  EXPECT_EQ(plan(kPod, files).keys.id, "P");
  EXPECT_EQ(plan(kPod).kind, Kind::container);
  EXPECT_EQ(plan({}).kind, Kind::instance);
}

TEST(AwsPlan, KeysOfTheEnvironmentMayHaveASession) {
  Environment environment = kKeys;
  environment["AWS_SESSION_TOKEN"] = "T";
  EXPECT_EQ(plan(environment).keys, (fetch::AwsKeys{"AK", "SK", "T"}));
  EXPECT_NE(refusal({{"AWS_ACCESS_KEY_ID", "AK"}}).find("only one"), std::string::npos);
}

TEST(AwsPlan, WebIdentityNeedsARole) {
  const Plan made = plan(kWeb);
  EXPECT_EQ(made.token_file, "/t");
  EXPECT_EQ(made.role.arn, "arn:r");
  EXPECT_EQ(made.role.session, "vibed");
  EXPECT_NE(refusal({{"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"}}).find("AWS_ROLE_ARN"),
            std::string::npos);
}

TEST(AwsPlan, AContainersServiceIsAskedOverHttpOnlyOnThisMachine) {
  const Plan pod = plan(kPod);
  EXPECT_EQ(pod.url, "http://169.254.170.23/v1/credentials");
  EXPECT_EQ(pod.token_file, "/pod/token");
  EXPECT_EQ(plan({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"}}).url,
            "http://169.254.170.2/v2/x");
  for (const char* good : {"http://127.0.0.1:80/x", "http://localhost/x", "http://[::1]:8/x",
                           "http://[fd00:ec2::23]/x", "https://anything.example/x"}) {
    EXPECT_EQ(plan({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", good}}).url, good);
  }
  for (const char* bad : {"http://evil.example/x", "http://169.254.170.2.evil/x", "ftp://127.0.0.1",
                          "http://127.0.0.1@evil.example/", "http://169.254.169.254/x"}) {
    EXPECT_NE(refusal({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", bad}}), "") << bad;
  }
  EXPECT_NE(refusal({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/"}}), "");
}

TEST(AwsPlan, TheInstanceMayBeElsewhereOrSwitchedOff) {
  EXPECT_EQ(plan({}).url, "http://169.254.169.254");
  EXPECT_EQ(plan({{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6"}}).url,
            "http://[fd00:ec2::254]");
  EXPECT_EQ(plan({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/"}}).url,
            "http://127.0.0.1:1");
  EXPECT_NE(refusal({{"AWS_EC2_METADATA_DISABLED", "true"}}).find("no AWS credentials"),
            std::string::npos);
}

const SharedFiles kChain{R"(
# roles on top of roles
[default]
region = eu-central-1
[profile app]
role_arn = arn:app
source_profile = team   ; of the other file
external_id = x1
duration_seconds = 900
[profile team]
role_arn = arn:team
source_profile = base
role_session_name = somebody
[profile pod]
role_arn=arn:pod
web_identity_token_file=/web
[profile own]
role_arn=arn:own
source_profile=own
aws_access_key_id=OWN
aws_secret_access_key=OWNS
[profile circle]
role_arn=arn:c
source_profile=round
[profile round]
role_arn=arn:d
source_profile=circle
[profile machine]
role_arn=arn:m
credential_source=Ec2InstanceMetadata
[profile task]
role_arn=arn:t
credential_source=EcsContainer
[profile env]
role_arn=arn:e
credential_source=Environment
[profile process]
credential_process=/bin/x
[profile mfa]
role_arn=arn:x
source_profile=base
mfa_serial=1
[profile nothing]
s3 =
  addressing_style = path
[profile long]
role_arn=arn:x
source_profile=base
duration_seconds=10
[profile lonely]
role_arn=arn:x
[profile empty-source]
role_arn=arn:x
source_profile=nothing
[sso-session x]
region=r
)",
                         "[base]\naws_access_key_id = BASE\naws_secret_access_key = BASES\n"
                         "aws_session_token = T=\n"};

Plan of_profile(const std::string& name) { return plan({{"AWS_PROFILE", name}}, kChain); }

TEST(AwsPlan, ProfilesMayTakeRolesOfRoles) {
  const Plan app = of_profile("app");
  ASSERT_EQ(app.kind, Kind::assume_role);
  EXPECT_EQ(app.role, (Role{"arn:app", "vibed", "x1", std::chrono::seconds(900)}));
  ASSERT_EQ(app.base->kind, Kind::assume_role);
  EXPECT_EQ(app.base->role.arn, "arn:team");
  EXPECT_EQ(app.base->role.session, "somebody");
  ASSERT_EQ(app.base->base->kind, Kind::keys);
  EXPECT_EQ(app.base->base->keys, (fetch::AwsKeys{"BASE", "BASES", "T="}));
}

TEST(AwsPlan, ARoleMayBeTakenWithWhateverAProfileNames) {
  EXPECT_EQ(of_profile("pod").kind, Kind::web_identity);
  EXPECT_EQ(of_profile("pod").token_file, "/web");
  EXPECT_EQ(of_profile("own").base->keys.id, "OWN");
  EXPECT_EQ(of_profile("machine").base->kind, Kind::instance);
  EXPECT_EQ(plan(joined({kPod, {{"AWS_PROFILE", "task"}}}), kChain).base->kind, Kind::container);
  EXPECT_NE(refusal({{"AWS_PROFILE", "env"}}, kChain).find("environment"), std::string::npos);
}

TEST(AwsPlan, AProfileThatCannotBeUsedSaysWhy) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"circle", "its own source"},
      {"process", "credential_process"},
      {"mfa", "mfa_serial"},
      {"absent", "is in no file"},
      {"long", "duration_seconds"},
      {"lonely", "no source_profile"},
      {"empty-source", "has no credentials"}};
  for (const auto& [name, why] : cases) {
    const std::string message = refusal({{"AWS_PROFILE", name}}, kChain);
    EXPECT_NE(message.find(why), std::string::npos) << name << ": " << message;
  }
}

TEST(AwsPlan, AProfileWithoutCredentialsLeavesThemToTheMachine) {
  EXPECT_EQ(plan(kPod, kChain).kind, Kind::container) << "default has a region only";
  EXPECT_EQ(plan(joined({kPod, {{"AWS_PROFILE", "nothing"}}}), kChain).kind, Kind::container);
}

TEST(AwsPlan, RegionAndEndpointComeFromTheEnvironmentThenTheProfile) {
  EXPECT_EQ(find_region({}, kChain), "eu-central-1");
  EXPECT_EQ(find_region({{"AWS_DEFAULT_REGION", "b"}}, kChain), "b");
  EXPECT_EQ(find_region({{"AWS_REGION", "a"}, {"AWS_DEFAULT_REGION", "b"}}, kChain), "a");
  EXPECT_EQ(find_region({}, {}), "");
  const SharedFiles files{"[default]\nendpoint_url = http://p/\n", ""};
  EXPECT_EQ(find_endpoint({}, files, "s3"), "http://p");
  EXPECT_EQ(find_endpoint({{"AWS_ENDPOINT_URL", "http://e"}}, files, "s3"), "http://e");
  EXPECT_EQ(find_endpoint({{"AWS_ENDPOINT_URL", "http://e"}, {"AWS_ENDPOINT_URL_STS", "http://t"}},
                          files, "sts"),
            "http://t");
  EXPECT_EQ(find_endpoint({{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}}, files, "s3"), "");
}

TEST(AwsPlan, TheSharedFilesAreInTheHomeUnlessSaidOtherwise) {
  EXPECT_EQ(shared_paths({{"HOME", "/h"}}).config, "/h/.aws/config");
  EXPECT_EQ(shared_paths({{"HOME", "/h"}}).credentials, "/h/.aws/credentials");
  EXPECT_EQ(shared_paths({}).config, "");
  EXPECT_EQ(shared_paths({{"HOME", "/h"}, {"AWS_CONFIG_FILE", "/c"}}).config, "/c");
  EXPECT_EQ(shared_paths({{"AWS_SHARED_CREDENTIALS_FILE", "/c"}}).credentials, "/c");
}

TEST(AwsIni, ReadsWhatAwsToolsWrite) {
  const Profiles config = parse_config_file(
      "\xEF\xBB\xBFx\r\n[default]\r\nA = 1 \r\nb=2#3\r\nc = 4 # five\r\n[ profile \"two words\" ]\n"
      "d=\n [profile indented]\n[profileX]\ne=1\n[services s]\nf=1\n[profile open\ng=1\nno "
      "equals\n");
  ASSERT_EQ(config.size(), 2u);
  EXPECT_EQ(config.at("default"), (Section{{"a", "1"}, {"b", "2#3"}, {"c", "4"}}));
  EXPECT_EQ(config.at("two words"), (Section{{"d", ""}}));
  EXPECT_EQ(parse_credentials_file("[a b]\nx=y").at("a b").at("x"), "y");
}

}  // namespace
}  // namespace vibed::aws
