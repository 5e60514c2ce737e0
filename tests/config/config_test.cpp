#include "vibed/config.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/files.hpp"
#include "config/keys.hpp"
#include "config/nearest.hpp"
#include "support/temp_dir.hpp"

namespace vibed {
namespace {

std::string failure(std::string_view yaml) {
  auto config = parse_config(yaml);
  if (config) return "(no failure)";
  EXPECT_EQ(config.error().reason, "bad_config");
  return config.error().message;
}

TEST(Config, OfAnEmptyTextHasTheDefaults) {
  auto config = parse_config("");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->server.http_addr, "127.0.0.1:8080");
  EXPECT_EQ(config->apps.domain, "localhost");
  EXPECT_EQ(config->deployment.ready_timeout, std::chrono::seconds(60));
  EXPECT_EQ(config->limits.max_total_file_size, 52'428'800);
}

TEST(Config, ReadsEveryKey) {
  auto config = parse_config(R"(
organization: {name: Acme}
server:
  httpAddr: "127.0.0.1:0"
  baseURL: https://vibed.example.org/
  logFormat: json
  logLevel: debug
deployment: {appsNamespace: apps, readyTimeout: 1m30s}
apps: {listen: ":80", domain: apps.example.org}
route: {layout: per-app, caddy: /opt/caddy}
pool:
  memory: 2Gi
  size: 3
  sizes: {node-24: 5, static-nginx: 0}
  disabled: [go-123]
sandbox:
  uidRange: 700000-700999
  bubblewrap: /opt/bwrap
  memory: 256Mi
  workspace: 2G
  tmp: 16Mi
  processes: 64
  cpus: 0.5
limits:
  maxTotalFileSize: 1000
  maxConcurrentLogStreamsPerUser: 2
  maxConcurrentLogStreamsGlobal: 20
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->organization, "Acme");
  EXPECT_EQ(config->server.http_addr, "127.0.0.1:0");
  EXPECT_EQ(config->server.base_url, "https://vibed.example.org");
  EXPECT_EQ(config->server.log_format, "json");
  EXPECT_EQ(config->server.log_level, "debug");
  EXPECT_EQ(config->deployment.apps_namespace, "apps");
  EXPECT_EQ(config->deployment.ready_timeout, std::chrono::seconds(90));
  EXPECT_EQ(config->apps.listen, ":80");
  EXPECT_EQ(config->apps.domain, "apps.example.org");
  EXPECT_EQ(config->route.layout, "per-app");
  EXPECT_EQ(config->route.caddy, "/opt/caddy");
  EXPECT_EQ(config->pool.memory, 2LL * 1024 * 1024 * 1024);
  EXPECT_EQ(config->pool.size, 3);
  EXPECT_EQ(config->pool.sizes, (std::map<std::string, int>{{"node-24", 5}, {"static-nginx", 0}}));
  EXPECT_EQ(config->pool.disabled, std::vector<std::string>{"go-123"});
  EXPECT_EQ(config->sandbox.uid_first, 700'000);
  EXPECT_EQ(config->sandbox.uid_last, 700'999);
  EXPECT_EQ(config->sandbox.bubblewrap, "/opt/bwrap");
  EXPECT_EQ(config->sandbox.memory, 256LL * 1024 * 1024);
  EXPECT_EQ(config->sandbox.workspace, 2'000'000'000);
  EXPECT_EQ(config->sandbox.tmp, 16LL * 1024 * 1024);
  EXPECT_EQ(config->sandbox.processes, 64);
  EXPECT_DOUBLE_EQ(config->sandbox.cpus, 0.5);
  EXPECT_EQ(config->limits.max_total_file_size, 1000);
  EXPECT_EQ(config->limits.max_concurrent_log_streams_per_user, 2);
  EXPECT_EQ(config->limits.max_concurrent_log_streams_global, 20);
}

TEST(Config, OfAnUnknownKeyNamesItItsLineAndTheNearestOne) {
  EXPECT_EQ(failure("server:\n  logLevel: info\n  htpAddr: x\n"),
            "line 3: unknown key server.htpAddr; did you mean server.httpAddr?");
  EXPECT_EQ(failure("limits: {maxTotalFilesize: 1}"),
            "line 1: unknown key limits.maxTotalFilesize; did you mean limits.maxTotalFileSize?");
  EXPECT_EQ(failure("\nsevrer:\n  httpAddr: x\n"),
            "line 2: unknown key sevrer; did you mean server?");
}

TEST(Config, OfAnUnknownKeyLikeNoOtherSuggestsNothing) {
  EXPECT_EQ(failure("zzzzqqqq: 1\n"), "line 1: unknown key zzzzqqqq");
}

TEST(Config, OfAValueOutOfItsRangeNamesLineAndKey) {
  EXPECT_EQ(failure("pool:\n  size: -1\n"), "line 2: pool.size must be a number from 0 to 1000");
  EXPECT_EQ(failure("server: {logFormat: xml}"), "line 1: server.logFormat must be text or json");
  EXPECT_EQ(failure("server:\n  httpAddr: 8080\n"),
            "line 2: server.httpAddr must be an address such as 127.0.0.1:8080");
  EXPECT_EQ(failure("sandbox: {memory: lots}"),
            "line 1: sandbox.memory must be a size such as 512Mi, at least 16777216 bytes");
  EXPECT_EQ(
      failure("sandbox: {uidRange: 0-10}"),
      "line 1: sandbox.uidRange must be a range of user ids such as 600000-665535, from 1000 on");
  EXPECT_EQ(failure("pool: {memory: 101%}"),
            "line 1: pool.memory must be a percentage from 1% to 100%");
  EXPECT_EQ(failure("deployment: {readyTimeout: 60}"),
            "line 1: deployment.readyTimeout must be a duration such as 60s, from 1s to 24h");
  EXPECT_EQ(failure("pool:\n  sizes:\n    node-24: many\n"),
            "line 3: pool.sizes.node-24 must be a number from 0 to 1000");
  EXPECT_EQ(failure("sandbox: {cpus: nan}").substr(0, 20), "line 1: sandbox.cpus");
}

TEST(Config, OfAValueOfTheWrongTypeNamesLineAndKey) {
  EXPECT_EQ(failure("server: [1]"), "line 1: server must be a mapping");
  EXPECT_EQ(failure("pool:\n  size: [1]\n"), "line 2: pool.size must be a single value");
  EXPECT_EQ(failure("pool: {disabled: go-123}"), "line 1: pool.disabled must be a list of names");
  EXPECT_EQ(failure("- 1\n"), "line 1: must be a mapping of keys to values");
}

TEST(Config, OfAKeyThatIsThereTwiceSaysSo) {
  EXPECT_EQ(failure("pool:\n  size: 1\n  size: 2\n"), "line 3: the key size is there twice");
}

TEST(Config, OfWhatIsNotYamlNamesTheLine) {
  EXPECT_EQ(failure("server:\n  httpAddr: [1\n").substr(0, 5), "line ");
}

TEST(Config, AcceptsTheKeysOfTheGoSystemAndNamesThem) {
  std::vector<std::string> ignored;
  auto config = parse_config(R"(
server: {transport: http, rateLimit: {enabled: true, burst: 20}}
auth:
  enabled: true
  apiKeys: [{key: "env:KEY", name: ci, scopes: [a]}]
  options: {anything: goes}
storage: {local: {basePath: /x}, tarball: {backend: s3}}
store: {backend: sqlite, sqlite: {path: /x}}
limits: {maxFileCount: 500}
gc: {interval: 1h}
)",
                             &ignored);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(ignored,
            (std::vector<std::string>{"server.transport", "server.rateLimit.enabled",
                                      "server.rateLimit.burst", "auth.apiKeys.scopes",
                                      "auth.options", "storage.local.basePath", "store.backend",
                                      "store.sqlite.path", "limits.maxFileCount", "gc.interval"}));
}

TEST(Config, SourcesMayBeInABucket) {
  auto config = parse_config(R"(
storage:
  tarball:
    backend: s3
    delivery: pull
    served: {basePath: /d, publicBaseURL: "http://v"}
    s3: {endpoint: "http://minio:9000", bucket: b, region: r, accessKey: a, secretKey: s,
         prefix: p/, addressing: host, presignTTL: 1h30m}
)");
  ASSERT_TRUE(config) << config.error().message;
  const Config::Storage& storage = config->storage;
  EXPECT_EQ(storage.backend, "s3");
  EXPECT_EQ(storage.served_base_path, "/d");
  EXPECT_EQ(storage.served_base_url, "http://v");
  EXPECT_EQ(storage.s3_endpoint, "http://minio:9000");
  EXPECT_EQ(storage.s3_bucket, "b");
  EXPECT_EQ(storage.s3_region, "r");
  EXPECT_EQ(storage.s3_access_key, "a");
  EXPECT_EQ(storage.s3_secret_key, "s");
  EXPECT_EQ(storage.s3_prefix, "p/");
  EXPECT_EQ(storage.s3_addressing, "host");
  EXPECT_EQ(storage.s3_presign_ttl, std::chrono::minutes(90));
  EXPECT_EQ(storage.delivery, "pull");
  EXPECT_EQ(Config().storage.delivery, "push");
  EXPECT_NE(failure("storage: {tarball: {delivery: throw}}").find("pull"), std::string::npos);
  EXPECT_EQ(Config().storage.s3_presign_ttl, std::chrono::minutes(15));
  EXPECT_NE(failure("storage: {tarball: {backend: gcs}}").find("served or s3"), std::string::npos);
  EXPECT_NE(failure("storage: {tarball: {s3: {presignTTL: 8d}}}").find("duration"),
            std::string::npos);
}

TEST(Config, PoolMemoryMayBeAPartOfTheMachine) {
  auto tenth = parse_config("pool: {memory: 10%}");
  auto half = parse_config("pool: {memory: 50%}");
  ASSERT_TRUE(tenth && half);
  EXPECT_GT(tenth->pool.memory, 0);
  EXPECT_EQ(half->pool.memory, 5 * tenth->pool.memory);
}

TEST(Config, AnEmptyValueLeavesTheDefault) {
  auto config = parse_config("pool:\n  size:\nserver:\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->pool.size, 2);
}

TEST(LoadConfig, TheEnvironmentWinsOverTheFile) {
  testing::TempDir dir;
  ASSERT_TRUE(write_file(dir / "vibed.yaml", "server: {logLevel: warn, logFormat: json}\n",
                         Durability::unsynced));
  auto config = load_config(dir / "vibed.yaml", {{"VIBED_LOG_LEVEL", "debug"},
                                                 {"VIBED_ORGANIZATION_NAME", "Acme"},
                                                 {"VIBED_SERVER_HTTP_ADDR", ""},
                                                 {"UNRELATED", "x"}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->server.log_level, "debug");
  EXPECT_EQ(config->server.log_format, "json");
  EXPECT_EQ(config->organization, "Acme");
  EXPECT_EQ(config->server.http_addr, "127.0.0.1:8080");
}

TEST(LoadConfig, OfABadVariableNamesIt) {
  auto config = load_config("", {{"VIBED_LOG_FORMAT", "xml"}});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message, "VIBED_LOG_FORMAT must be text or json");
}

TEST(LoadConfig, OfAMissingFileIsNotFound) {
  auto config = load_config("/nonexistent/vibed.yaml", {});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::not_found);
}

TEST(LoadConfig, OfABadFileNamesTheFile) {
  testing::TempDir dir;
  ASSERT_TRUE(write_file(dir / "v.yaml", "x: 1\n", Durability::unsynced));
  auto config = load_config(dir / "v.yaml", {});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message, dir / "v.yaml: line 1: unknown key x");
}

TEST(NearestWord, CountsASwapAsOneEditAndIgnoresCase) {
  constexpr std::string_view kWords[] = {"pool.size", "pool.sizes", "apps.listen"};
  EXPECT_EQ(nearest_word("pool.szie", kWords), "pool.size");
  EXPECT_EQ(nearest_word("POOL.SIZES", kWords), "pool.sizes");
  EXPECT_EQ(nearest_word("", kWords), "");
}

// The document is the reference people read; a key it does not have is a key nobody finds.
TEST(Config, EveryKeyIsInTheDocumentation) {
  std::ifstream file(std::string(VIBED_SOURCE_DIR) + "/docs/configuration.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const auto& key : config_keys()) {
    EXPECT_NE(text.str().find("`" + std::string(key.path) + "`"), std::string::npos) << key.path;
    EXPECT_NE(text.str().find(key.environment), std::string::npos) << key.environment;
  }
}

TEST(Config, ReadsWhoMayCall) {
  auto config = parse_config(R"(
auth:
  enabled: true
  mode: oauth
  trustedProxies: [10.0.0.0/8, "fd00::/8"]
  apiKeys:
    - {key: "env:PROXY", name: proxy, role: admin, scopes: [deploy]}
    - {key: plain, name: ci}
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->auth.enabled);
  EXPECT_EQ(config->auth.mode, "oauth");
  EXPECT_EQ(config->auth.trusted_proxies, (std::vector<std::string>{"10.0.0.0/8", "fd00::/8"}));
  ASSERT_EQ(config->auth.api_keys.size(), 2U);
  EXPECT_EQ(config->auth.api_keys[0].key, "env:PROXY");
  EXPECT_EQ(config->auth.api_keys[0].role, "admin");
  EXPECT_EQ(config->auth.api_keys[1].role, "user");
}

TEST(Config, SaysWhatIsWrongWithKeys) {
  EXPECT_EQ(failure("auth: {apiKeys: secret}"), "line 1: auth.apiKeys must be a list of keys");
  EXPECT_EQ(failure("auth: {apiKeys: [secret]}"),
            "line 1: auth.apiKeys must be a list of mappings");
  EXPECT_EQ(failure("auth: {apiKeys: [{token: x}]}"),
            "line 1: unknown key auth.apiKeys.token; a key has key, name and role");
  EXPECT_EQ(failure("auth: {apiKeys: [{key: [x]}]}"),
            "line 1: auth.apiKeys.key must be a single value");
  EXPECT_EQ(failure("auth: {trustedProxies: 10.0.0.0/8}"),
            "line 1: auth.trustedProxies must be a list of networks");
  EXPECT_EQ(failure("auth: {enabled: yes}"), "line 1: auth.enabled must be true or false");
}

TEST(Config, LooksSecretsUp) {
  testing::TempDir dir;
  std::string file = dir.path() + "/key";
  std::ofstream(file) << "  from-file \n";
  std::string yaml = dir.path() + "/vibed.yaml";
  std::ofstream(yaml) << "auth: {enabled: true, apiKeys: [{key: 'env:A', name: a}, {key: 'file:" +
                             file + "', name: b}, {key: 'c:d', name: c}]}";
  auto config = load_config(yaml, {{"A", "from-env"}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->auth.api_keys[0].key, "from-env");
  EXPECT_EQ(config->auth.api_keys[1].key, "from-file");
  EXPECT_EQ(config->auth.api_keys[2].key, "c:d");

  auto missing = load_config(yaml, {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "bad_config");
  EXPECT_EQ(missing.error().message, "auth.apiKeys, key \"a\": the variable A is not set");
}

TEST(Config, AKeyInTheEnvironmentTurnsAuthOn) {
  auto config = load_config("", {{"VIBED_AUTH_API_KEY", "secret"}});
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->auth.enabled);
  ASSERT_EQ(config->auth.api_keys.size(), 1U);
  EXPECT_EQ(config->auth.api_keys[0].name, "env-key");
  EXPECT_EQ(config->auth.api_keys[0].key, "secret");
}

}  // namespace
}  // namespace vibed
