#include "kube/credentials.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/files.hpp"
#include "base/time.hpp"
#include "kube/worlds.hpp"

namespace vibed::kube {
namespace {

using testing::FakeApi;
using testing::TempDir;
using namespace std::chrono_literals;

class CredentialsTest : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(write_file(folder_ / name, text, Durability::unsynced));
    return folder_ / name;
  }

  // A program that notes each of its runs and prints the credential in the file "credential".
  ExecPlugin plugin(const std::string& more = "") {
    const std::string path = write("plugin", "#!/bin/sh\necho run >>" + (folder_ / "runs") + "\n" +
                                                 more + "\ncat " + (folder_ / "credential") + "\n");
    ::chmod(path.c_str(), 0700);
    return {.api_version = "client.authentication.k8s.io/v1", .command = path};
  }

  void credential(const std::string& token, const std::string& expires = "") {
    Json status = {{"token", token}};
    if (!expires.empty()) status["expirationTimestamp"] = expires;
    write("credential", to_text({{"apiVersion", "client.authentication.k8s.io/v1"},
                                 {"kind", "ExecCredential"},
                                 {"status", status}}));
  }

  std::size_t runs() {
    auto text = read_file(folder_ / "runs", 10'000);
    return text ? static_cast<std::size_t>(std::count(text->begin(), text->end(), '\n')) : 0;
  }

  static std::string authorization(Credentials& credentials) {
    auto pass = credentials.pass();
    if (!pass) return pass.error().message;
    for (const auto& [name, value] : pass->headers) {
      if (name == "Authorization") return value;
    }
    return "";
  }

  TempDir folder_;
  std::chrono::system_clock::time_point now_ = *parse_rfc3339("2026-11-22T12:00:00Z");
};

TEST_F(CredentialsTest, ATokenFileIsReadAgainWhenItIsReplaced) {
  Access access;
  access.token.file = write("token", "one\n");
  Credentials credentials(access);
  EXPECT_EQ(authorization(credentials), "Bearer one");
  write("token", "two\n");
  EXPECT_EQ(authorization(credentials), "Bearer two");
}

TEST_F(CredentialsTest, AFileThatIsAwayForAMomentKeepsWhatItHeld) {
  Access access;
  access.token.file = write("token", "one");
  Credentials credentials(access);
  EXPECT_EQ(authorization(credentials), "Bearer one");
  write("token", "");
  EXPECT_EQ(authorization(credentials), "Bearer one");
  std::filesystem::remove(access.token.file);
  EXPECT_EQ(authorization(credentials), "Bearer one");
}

TEST_F(CredentialsTest, AFileThatWasNeverThereIsAnErrorWithItsPath) {
  Access access;
  access.token.file = folder_ / "none";
  Credentials credentials(access);
  EXPECT_TRUE(authorization(credentials).starts_with(access.token.file));
  write("none", "");
  EXPECT_EQ(authorization(credentials), access.token.file + ": is empty");
}

TEST_F(CredentialsTest, TheTlsObjectIsTheSameUntilAFileChanges) {
  Access access;
  access.authorities.file = write("ca.crt", "one");
  Credentials credentials(access);
  const auto first = credentials.pass()->tls;
  EXPECT_EQ(credentials.pass()->tls, first);
  write("ca.crt", "another");
  EXPECT_NE(credentials.pass()->tls, first);
  EXPECT_EQ(credentials.pass()->tls->authorities, "another");
}

TEST_F(CredentialsTest, AUserAndAPasswordAreBasic) {
  Access access;
  access.username = "jo";
  access.password = "pw";
  Credentials credentials(access);
  EXPECT_EQ(authorization(credentials), "Basic am86cHc=");
}

TEST_F(CredentialsTest, APluginRunsOnceUntilItsCredentialExpires) {
  Access access;
  access.exec = {plugin()};
  credential("one", "2026-11-22T13:00:00Z");
  Credentials credentials(access, [this] { return now_; });
  EXPECT_EQ(authorization(credentials), "Bearer one");
  EXPECT_EQ(authorization(credentials), "Bearer one");
  EXPECT_EQ(runs(), 1U);
  credential("two", "2026-11-22T14:00:00Z");
  now_ += 59min + 49s;
  EXPECT_EQ(authorization(credentials), "Bearer one");
  now_ += 1s;  // ten seconds early
  EXPECT_EQ(authorization(credentials), "Bearer two");
  EXPECT_EQ(runs(), 2U);
}

TEST_F(CredentialsTest, APluginWithoutAnExpiryRunsAgainOnlyWhenItsTokenIsRefused) {
  Access access;
  access.exec = {plugin()};
  credential("one");
  Credentials credentials(access, [this] { return now_; });
  auto pass = credentials.pass();
  now_ += 1000h;
  EXPECT_EQ(authorization(credentials), "Bearer one");
  credential("two");
  EXPECT_TRUE(credentials.renew(*pass));
  EXPECT_EQ(authorization(credentials), "Bearer two");
  EXPECT_TRUE(credentials.renew(*pass)) << "it has been renewed since";
  EXPECT_EQ(authorization(credentials), "Bearer two");
  EXPECT_EQ(runs(), 2U);
}

TEST_F(CredentialsTest, NothingRenewsAPlainToken) {
  Access access;
  access.token.text = "one";
  Credentials credentials(access);
  EXPECT_FALSE(credentials.renew(*credentials.pass()));
}

TEST_F(CredentialsTest, APluginIsToldOfTheClusterAndOfItsOwnVariables) {
  Access access;
  access.server = "https://h";
  access.authorities.text = "CA";
  access.exec = {plugin("echo \"$KUBERNETES_EXEC_INFO\" >" + (folder_ / "info") + "; echo $OWN >" +
                        (folder_ / "own") + "; test -n \"$PATH\" || exit 9")};
  access.exec[0].provide_cluster_info = true;
  access.exec[0].cluster_config = {{"a", 1}};
  access.exec[0].environment = {{"OWN", "mine"}};
  credential("t");
  Credentials credentials(access);
  EXPECT_EQ(authorization(credentials), "Bearer t");
  EXPECT_EQ(*read_file(folder_ / "own", 100), "mine\n");
  auto info = parse_json(*read_file(folder_ / "info", 10'000));
  ASSERT_TRUE(info);
  EXPECT_EQ(*info, (Json{{"apiVersion", "client.authentication.k8s.io/v1"},
                         {"kind", "ExecCredential"},
                         {"spec",
                          {{"interactive", false},
                           {"cluster",
                            {{"server", "https://h"},
                             {"certificate-authority-data", "Q0E="},
                             {"config", {{"a", 1}}}}}}}}));
}

TEST_F(CredentialsTest, APluginThatFailsSaysWhyAndNeverWhatItPrinted) {
  Access access;
  access.exec = {plugin("echo first >&2; echo 'log in first' >&2; cat " + (folder_ / "credential") +
                        "; exit 3")};
  credential("secret");
  Credentials credentials(access);
  auto pass = credentials.pass();
  ASSERT_FALSE(pass);
  EXPECT_EQ(pass.error().reason, "credential_plugin_failed");
  EXPECT_EQ(pass.error().message, access.exec[0].command + ": exit status 3: log in first");
}

TEST_F(CredentialsTest, APluginThatIsMissingGivesItsHint) {
  Access access;
  access.exec = {{.api_version = "client.authentication.k8s.io/v1",
                  .command = folder_ / "none",
                  .install_hint = "install it"}};
  Credentials credentials(access);
  EXPECT_TRUE(credentials.pass().error().message.ends_with("(install it)"));
}

TEST(ExecCredential, WhatIsNoneIsRefused) {
  const ExecPlugin plugin{.api_version = "client.authentication.k8s.io/v1", .command = "p"};
  const Json good = {{"apiVersion", plugin.api_version},
                     {"kind", "ExecCredential"},
                     {"status", {{"token", "t"}, {"expirationTimestamp", "2026-11-22T13:00:00Z"}}}};
  EXPECT_TRUE(parse_exec_credential(to_text(good), plugin));
  const auto refused = [&](const Json& patch) {
    Json bad = good;
    bad.merge_patch(patch);
    return !parse_exec_credential(to_text(bad), plugin);
  };
  EXPECT_TRUE(refused({{"kind", "Pod"}}));
  EXPECT_TRUE(refused({{"apiVersion", "client.authentication.k8s.io/v1beta1"}}));
  EXPECT_TRUE(refused({{"status", {{"token", nullptr}}}}));
  EXPECT_TRUE(refused({{"status", {{"clientKeyData", "k"}}}}));
  EXPECT_TRUE(refused({{"status", {{"expirationTimestamp", "tomorrow"}}}}));
  EXPECT_TRUE(refused({{"status", nullptr}}));
  EXPECT_FALSE(parse_exec_credential("{", plugin));
}

TEST_F(CredentialsTest, AClientWhoseTokenWasRotatedGoesOnWithoutAnError) {
  FakeApi api;
  api.create(config_maps(), {{"metadata", {{"name", "a"}, {"namespace", "default"}}}});
  api.accept_tokens({"one"});
  Access access = api.access();
  access.token.file = write("token", "one");
  auto client = *open_client(access);
  EXPECT_TRUE(client->get(config_maps(), {"default", "a"}));
  api.accept_tokens({"two"});
  write("token", "two");
  EXPECT_TRUE(client->get(config_maps(), {"default", "a"}));
}

TEST_F(CredentialsTest, ARefusedPluginTokenIsRenewedWithinTheCall) {
  FakeApi api;
  api.create(config_maps(), {{"metadata", {{"name", "a"}, {"namespace", "default"}}}});
  api.accept_tokens({"two"});
  Access access = api.access();
  access.exec = {plugin("test -e " + (folder_ / "later") + " || touch " + (folder_ / "later"))};
  credential("one");
  auto client = *open_client(access);
  api.before_each([&](const http::Request&) { credential("two"); });
  auto read = client->get(config_maps(), {"default", "a"});
  EXPECT_TRUE(read) << read.error().message;
  EXPECT_EQ(runs(), 2U);
}

}  // namespace
}  // namespace vibed::kube
