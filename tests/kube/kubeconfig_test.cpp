#include "kube/kubeconfig.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/base64.hpp"
#include "base/files.hpp"
#include "support/temp_dir.hpp"

namespace vibed::kube {
namespace {

using testing::TempDir;

// A kubeconfig with one cluster and one user of these lines.
std::string config_of(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: main\n"
         "clusters: [{name: c, cluster: {" +
         cluster +
         "}}]\n"
         "users: [{name: u, user: {" +
         user +
         "}}]\n"
         "contexts: [{name: main, context: {cluster: c, user: u, namespace: apps}}]\n";
}

Result<Access> access_in(const std::string& text, const std::string& context = "") {
  auto config = parse_kubeconfig(text, "/etc/k/config");
  if (!config) return config.error();
  return access_of(*config, context);
}

const std::string kServer = "server: 'https://127.0.0.1:6443'";

TEST(Kubeconfig, AContextIsItsClusterItsUserAndItsNamespace) {
  auto access =
      access_in(config_of("server: 'https://h:1/prefix/', tls-server-name: n, "
                          "proxy-url: 'http://p:3'",
                          "token: abc"));
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->server, "https://h:1/prefix");
  EXPECT_EQ(access->server_name, "n");
  EXPECT_EQ(access->proxy, "http://p:3");
  EXPECT_EQ(access->space, "apps");
  EXPECT_EQ(access->token.text, "abc");
  EXPECT_EQ(access->origin, "/etc/k/config");
}

TEST(Kubeconfig, FilesAreRelativeToItsFolder) {
  auto access = access_in(config_of(kServer + ", certificate-authority: pki/ca.crt",
                                    "client-certificate: a.crt, client-key: /keys/a.key, "
                                    "tokenFile: t"));
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->authorities.file, "/etc/k/pki/ca.crt");
  EXPECT_EQ(access->certificate.file, "/etc/k/a.crt");
  EXPECT_EQ(access->key.file, "/keys/a.key");
  EXPECT_EQ(access->token.file, "/etc/k/t");
}

TEST(Kubeconfig, AFileNamedWithoutAFolderIsOfThisOne) {
  auto config =
      parse_kubeconfig(config_of(kServer + ", certificate-authority: ca.crt", ""), "config");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->clusters.at("c").authorities.file, "./ca.crt");
}

TEST(Kubeconfig, DataWinsOverFilesAndATokenFileOverAToken) {
  auto access = access_in(config_of(
      kServer + ", certificate-authority: ca.crt, certificate-authority-data: " + to_base64("CA"),
      "client-certificate-data: " + to_base64("CRT") + ", client-key-data: " + to_base64("KEY") +
          ", token: old, tokenFile: /t"));
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->authorities, (Given{"CA", ""}));
  EXPECT_EQ(access->certificate, (Given{"CRT", ""}));
  EXPECT_EQ(access->key, (Given{"KEY", ""}));
  EXPECT_EQ(access->token, (Given{"", "/t"}));
}

TEST(Kubeconfig, AnExecPluginIsReadWithItsClustersConfiguration) {
  auto access = access_in(config_of(
      kServer +
          ", extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: x}}]",
      "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: bin/plugin, args: [a, b], "
      "env: [{name: N, value: v}], provideClusterInfo: true, interactiveMode: Never, "
      "installHint: get it}"));
  ASSERT_TRUE(access) << access.error().message;
  ASSERT_EQ(access->exec.size(), 1U);
  const ExecPlugin& plugin = access->exec[0];
  EXPECT_EQ(plugin.command, "/etc/k/bin/plugin");
  EXPECT_EQ(plugin.arguments, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(plugin.environment, (std::vector<std::pair<std::string, std::string>>{{"N", "v"}}));
  EXPECT_TRUE(plugin.provide_cluster_info);
  EXPECT_EQ(plugin.cluster_config, (Json{{"audience", "x"}}));
  EXPECT_EQ(plugin.install_hint, "get it");
}

TEST(Kubeconfig, AClustersExecConfigurationAloneIsNoPlugin) {
  auto access = access_in(config_of(
      kServer + ", extensions: [{name: client.authentication.k8s.io/exec, extension: {a: x}}]",
      ""));
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_TRUE(access->exec.empty());
}

TEST(Kubeconfig, ImpersonationBecomesHeaders) {
  auto access = access_in(
      config_of(kServer, "as: jo, as-groups: [a, b], as-uid: '7', as-user-extra: {scope: [x, y]}"));
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->impersonate,
            (std::vector<std::pair<std::string, std::string>>{{"Impersonate-User", "jo"},
                                                              {"Impersonate-Uid", "7"},
                                                              {"Impersonate-Group", "a"},
                                                              {"Impersonate-Group", "b"},
                                                              {"Impersonate-Extra-scope", "x"},
                                                              {"Impersonate-Extra-scope", "y"}}));
}

TEST(Kubeconfig, WhatIsWrongIsNamedWithItsFileAndField) {
  struct Row {
    std::string text;
    std::string message;
  };
  const std::string user = "/etc/k/config: users[0] (u).user";
  const std::string cluster = "/etc/k/config: clusters[0] (c).cluster";
  const Row rows[] = {
      {"a: [", "/etc/k/config: line"},
      {"[]", "/etc/k/config:  must be a mapping"},
      {"kind: Pod", "/etc/k/config: kind must be Config, not Pod"},
      {"clusters: 3", "/etc/k/config: clusters must be a list"},
      {"users: [{user: {}}]", "/etc/k/config: users[0] has no name"},
      {config_of("", ""), cluster + ".server must be a URL"},
      {config_of("server: 5", ""), cluster + ".server must be a text"},
      {config_of("server: 'h:1'", ""), cluster + ".server must be a URL"},
      {config_of(kServer + ", insecure-skip-tls-verify: maybe", ""),
       cluster + ".insecure-skip-tls-verify must be true or false"},
      {config_of(kServer + ", insecure-skip-tls-verify: true, certificate-authority: x", ""),
       cluster + ".insecure-skip-tls-verify makes no sense beside certificate-authority"},
      {config_of(kServer + ", certificate-authority-data: '%%'", ""),
       cluster + ".certificate-authority-data is not base64"},
      {config_of(kServer, "client-key-data: '?'"), user + ".client-key-data is not base64"},
      {config_of(kServer, "client-key: k"),
       user + " must have both client-certificate and client-key"},
      {config_of(kServer, "token: [x]"), user + ".token must be a text"},
      {config_of(kServer, "auth-provider: {name: gcp}"), user + ".auth-provider is no longer part"},
      {config_of(kServer, "exec: 3"), user + ".exec must be a mapping"},
      {config_of(kServer, "exec: {command: x}"), user + ".exec.apiVersion must be"},
      {config_of(kServer, "exec: {apiVersion: client.authentication.k8s.io/v1}"),
       user + ".exec.command is missing"},
      {config_of(kServer,
                 "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, "
                 "args: [1]}"),
       user + ".exec.args must be a list of texts"},
      {config_of(kServer,
                 "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, "
                 "env: [{name: 1}]}"),
       user + ".exec.env.name must be a text"},
      {config_of(kServer,
                 "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, "
                 "interactiveMode: Always}"),
       user + ".exec.interactiveMode is Always"},
      {config_of(kServer, "as-user-extra: {a: b}"), user + ".as-user-extra must be lists of texts"},
  };
  for (const Row& row : rows) {
    auto access = access_in(row.text);
    ASSERT_FALSE(access) << row.text;
    EXPECT_EQ(access.error().reason, "bad_kubeconfig");
    EXPECT_TRUE(access.error().message.starts_with(row.message)) << access.error().message;
  }
}

TEST(Kubeconfig, AContextMustLeadSomewhere) {
  const std::string text = config_of(kServer, "");
  EXPECT_EQ(access_in(text, "other").error().message, "there is no context named other");
  EXPECT_EQ(access_in("clusters: []").error().message,
            "current-context is not set and no context was named");
  EXPECT_EQ(access_in("contexts: [{name: a, context: {cluster: x}}]", "a").error().message,
            "/etc/k/config: context a: there is no cluster named \"x\"");
  EXPECT_EQ(access_in("contexts: [{name: a, context: {cluster: c, user: x}}]\n"
                      "clusters: [{name: c, cluster: {server: 'https://h'}}]",
                      "a")
                .error()
                .message,
            "/etc/k/config: context a: there is no user named \"x\"");
}

class FindAccess : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = folder_ / name;
    EXPECT_TRUE(make_directories(std::filesystem::path(path).parent_path()));
    EXPECT_TRUE(write_file(path, text, Durability::unsynced));
    return path;
  }

  AccessSources inside() {
    write("account/token", "pod-token\n");
    write("account/ca.crt", "CA");
    write("account/namespace", "vibed-system\n");
    return {.service_host = "10.96.0.1",
            .service_port = "443",
            .home = folder_ / "nobody",
            .service_account = folder_ / "account"};
  }

  TempDir folder_;
};

TEST_F(FindAccess, OfSeveralFilesTheFirstThatHasAThingWins) {
  const auto one = write("one",
                         "current-context: main\n"
                         "users: [{name: u, user: {token: first}}]\n");
  const auto two = write("two", config_of(kServer, "token: second"));
  auto access = find_access({.kubeconfigs = one + ":" + (folder_ / "missing") + "::" + two});
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->token.text, "first");
  EXPECT_EQ(access->server, "https://127.0.0.1:6443");
}

TEST_F(FindAccess, AFileThatIsAskedForMustBeThere) {
  EXPECT_EQ(find_access({.kubeconfig = folder_ / "none"}).error().reason, "bad_kubeconfig");
  auto listed = find_access({.kubeconfigs = folder_ / "none"});
  EXPECT_EQ(listed.error().message,
            "KUBECONFIG: none of these files is there: " + (folder_ / "none"));
}

TEST_F(FindAccess, InsideAClusterTheServiceAccountIsUsed) {
  auto access = find_access(inside());
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->server, "https://10.96.0.1:443");
  EXPECT_EQ(access->space, "vibed-system");
  EXPECT_EQ(access->token.file, folder_ / "account/token");
  EXPECT_EQ(access->authorities.file, folder_ / "account/ca.crt");
  AccessSources v6 = inside();
  v6.service_host = "fd00::1";
  EXPECT_EQ(find_access(v6)->server, "https://[fd00::1]:443");
}

TEST_F(FindAccess, AServiceAccountThatCannotBeReadIsNamed) {
  AccessSources sources = inside();
  std::filesystem::remove(folder_ / "account/token");
  auto access = find_access(sources);
  ASSERT_FALSE(access);
  EXPECT_TRUE(access.error().message.starts_with(folder_ / "account/token"))
      << access.error().message;
}

TEST_F(FindAccess, TheOrderIsFlagThenVariableThenPodThenHome) {
  AccessSources sources = inside();
  sources.home = folder_.path();
  write(".kube/config", config_of("server: 'https://home'", ""));
  EXPECT_EQ(find_access(sources)->server, "https://10.96.0.1:443");
  sources.kubeconfigs = write("variable", config_of("server: 'https://variable'", ""));
  EXPECT_EQ(find_access(sources)->server, "https://variable");
  sources.kubeconfig = write("flag", config_of("server: 'https://flag'", ""));
  EXPECT_EQ(find_access(sources)->server, "https://flag");
  EXPECT_EQ(find_access({.home = folder_.path()})->server, "https://home");
}

TEST_F(FindAccess, WithoutAnyOfThemTheErrorNamesThemAll) {
  auto access = find_access({.home = folder_.path()});
  ASSERT_FALSE(access);
  EXPECT_NE(access.error().message.find("KUBECONFIG is not set"), std::string::npos);
}

}  // namespace
}  // namespace vibed::kube
