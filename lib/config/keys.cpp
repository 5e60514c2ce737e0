#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error_codes.hpp"
#include "base/time.hpp"
#include "config/values.hpp"

namespace vibed {
namespace {

Error wrong(std::string message) { return make_error("bad_config", std::move(message)); }

constexpr std::int64_t kMiB = 1024 * 1024;

template <class Number>
Status set_number(Number& place, const std::string& text, Number least, Number most) {
  Number number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool good =
      error == std::errc() && end == text.data() + text.size() && number >= least && number <= most;
  if (!good) {
    return wrong("must be a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  place = number;
  return success();
}

Status set_size(std::int64_t& place, const std::string& text, std::int64_t least) {
  auto size = parse_size(text);
  if (!size || *size < least) {
    return wrong("must be a size such as 512Mi, at least " + std::to_string(least) + " bytes");
  }
  place = *size;
  return success();
}

Status set_word(std::string& place, const std::string& text,
                std::initializer_list<std::string_view> words) {
  if (std::find(words.begin(), words.end(), text) != words.end()) {
    place = text;
    return success();
  }
  std::string message = "must be ";
  std::size_t left = words.size();
  for (std::string_view word : words) {
    message += std::string(word) + (--left == 0 ? "" : left == 1 ? " or " : ", ");
  }
  return wrong(std::move(message));
}

Status set_address(std::string& place, const std::string& text) {
  if (!is_address(text)) return wrong("must be an address such as 127.0.0.1:8080");
  place = text;
  return success();
}

Status set_base_url(Config& config, const std::string& text) {
  bool url = text.empty() || text.starts_with("http://") || text.starts_with("https://");
  if (!url) return wrong("must be a URL such as https://vibed.example.org");
  config.server.base_url = text;
  while (config.server.base_url.ends_with('/')) config.server.base_url.pop_back();
  return success();
}

Status set_ready_timeout(Config& config, const std::string& text) {
  auto duration = parse_duration(text);
  if (!duration || *duration < std::chrono::seconds(1) || *duration > std::chrono::hours(24)) {
    return wrong("must be a duration such as 60s, from 1s to 24h");
  }
  config.deployment.ready_timeout = std::chrono::duration_cast<std::chrono::seconds>(*duration);
  return success();
}

// Seven days is the longest that a signed URL may be good for.
Status set_presign_ttl(Config& config, const std::string& text) {
  auto duration = parse_duration(text);
  if (!duration || *duration < std::chrono::minutes(1) || *duration > std::chrono::hours(168)) {
    return wrong("must be a duration such as 15m, from 1m to 168h");
  }
  config.storage.s3_presign_ttl = std::chrono::duration_cast<std::chrono::seconds>(*duration);
  return success();
}

Status set_domain(Config& config, const std::string& text) {
  if (!is_domain(text)) return wrong("must be a domain such as localhost, in lower case");
  config.apps.domain = text;
  return success();
}

Status set_pool_memory(Config& config, const std::string& text) {
  if (auto part = parse_percentage(text, machine_memory())) {
    config.pool.memory = *part;
    return success();
  }
  if (text.ends_with('%')) return wrong("must be a percentage from 1% to 100%");
  return set_size(config.pool.memory, text, 0);
}

Status set_uid_range(Config& config, const std::string& text) {
  auto range = parse_range(text);
  // Below are people, above is what 32 bits reserve.
  if (!range || range->first < 1000 || range->second > 4'294'967'000) {
    return wrong("must be a range of user ids such as 600000-665535, from 1000 on");
  }
  config.sandbox.uid_first = range->first;
  config.sandbox.uid_last = range->second;
  return success();
}

Status set_flag(bool& place, const std::string& text) {
  if (text != "true" && text != "false") return wrong("must be true or false");
  place = text == "true";
  return success();
}

Status set_text(std::string& place, const std::string& text) {
  place = text;
  return success();
}

// clang-format off
const std::array kKeys = {
    Key{"organization.name", "VIBED_ORGANIZATION_NAME", [](Config& c, const std::string& t) { return set_text(c.organization, t); }},
    Key{"server.httpAddr", "VIBED_SERVER_HTTP_ADDR", [](Config& c, const std::string& t) { return set_address(c.server.http_addr, t); }},
    Key{"server.baseURL", "VIBED_SERVER_BASE_URL", set_base_url},
    Key{"server.logFormat", "VIBED_LOG_FORMAT", [](Config& c, const std::string& t) { return set_word(c.server.log_format, t, {"text", "json"}); }},
    Key{"server.logLevel", "VIBED_LOG_LEVEL", [](Config& c, const std::string& t) { return set_word(c.server.log_level, t, {"debug", "info", "warn", "error"}); }},
    Key{"auth.enabled", "VIBED_AUTH_ENABLED", [](Config& c, const std::string& t) { return set_flag(c.auth.enabled, t); }},
    Key{"auth.mode", "VIBED_AUTH_MODE", [](Config& c, const std::string& t) { return set_word(c.auth.mode, t, {"apikey", "oauth"}); }},
    Key{"auth.devInsecure", "", [](Config& c, const std::string& t) { return set_flag(c.auth.dev_insecure, t); }},
    Key{"deployment.appsNamespace", "", [](Config& c, const std::string& t) { return t.empty() ? Status(wrong("must not be empty")) : set_text(c.deployment.apps_namespace, t); }},
    Key{"deployment.readyTimeout", "", set_ready_timeout},
    Key{"apps.listen", "VIBED_APPS_LISTEN", [](Config& c, const std::string& t) { return set_address(c.apps.listen, t); }},
    Key{"apps.domain", "VIBED_APPS_DOMAIN", set_domain},
    Key{"route.layout", "", [](Config& c, const std::string& t) { return set_word(c.route.layout, t, {"wildcard", "per-app"}); }},
    Key{"route.caddy", "", [](Config& c, const std::string& t) { return set_text(c.route.caddy, t); }},
    Key{"storage.tarball.backend", "", [](Config& c, const std::string& t) { return set_word(c.storage.backend, t, {"served", "s3"}); }},
    Key{"storage.tarball.delivery", "", [](Config& c, const std::string& t) { return set_word(c.storage.delivery, t, {"push", "pull"}); }},
    Key{"storage.tarball.served.basePath", "", [](Config& c, const std::string& t) { return set_text(c.storage.served_base_path, t); }},
    Key{"storage.tarball.served.publicBaseURL", "", [](Config& c, const std::string& t) { return set_text(c.storage.served_base_url, t); }},
    Key{"storage.tarball.s3.endpoint", "", [](Config& c, const std::string& t) { return set_text(c.storage.s3_endpoint, t); }},
    Key{"storage.tarball.s3.bucket", "", [](Config& c, const std::string& t) { return set_text(c.storage.s3_bucket, t); }},
    Key{"storage.tarball.s3.region", "", [](Config& c, const std::string& t) { return set_text(c.storage.s3_region, t); }},
    Key{"storage.tarball.s3.accessKey", "", [](Config& c, const std::string& t) { return set_text(c.storage.s3_access_key, t); }},
    Key{"storage.tarball.s3.secretKey", "", [](Config& c, const std::string& t) { return set_text(c.storage.s3_secret_key, t); }},
    Key{"storage.tarball.s3.prefix", "", [](Config& c, const std::string& t) { return set_text(c.storage.s3_prefix, t); }},
    Key{"storage.tarball.s3.addressing", "", [](Config& c, const std::string& t) { return set_word(c.storage.s3_addressing, t, {"auto", "path", "host"}); }},
    Key{"storage.tarball.s3.presignTTL", "", set_presign_ttl},
    Key{"pool.memory", "", set_pool_memory},
    Key{"pool.size", "", [](Config& c, const std::string& t) { return set_number(c.pool.size, t, 0, 1000); }},
    Key{"sandbox.uidRange", "", set_uid_range},
    Key{"sandbox.bubblewrap", "", [](Config& c, const std::string& t) { return set_text(c.sandbox.bubblewrap, t); }},
    Key{"sandbox.memory", "", [](Config& c, const std::string& t) { return set_size(c.sandbox.memory, t, 16 * kMiB); }},
    Key{"sandbox.workspace", "", [](Config& c, const std::string& t) { return set_size(c.sandbox.workspace, t, kMiB); }},
    Key{"sandbox.tmp", "", [](Config& c, const std::string& t) { return set_size(c.sandbox.tmp, t, kMiB); }},
    Key{"sandbox.processes", "", [](Config& c, const std::string& t) { return set_number(c.sandbox.processes, t, 8, 100'000); }},
    Key{"sandbox.cpus", "", [](Config& c, const std::string& t) { return set_number(c.sandbox.cpus, t, 0.01, 1024.0); }},
    Key{"limits.maxTotalFileSize", "VIBED_LIMITS_MAX_TOTAL_FILE_SIZE", [](Config& c, const std::string& t) { return set_size(c.limits.max_total_file_size, t, 1); }},
    Key{"limits.maxConcurrentLogStreamsPerUser", "", [](Config& c, const std::string& t) { return set_number(c.limits.max_concurrent_log_streams_per_user, t, 1, 1'000'000); }},
    Key{"limits.maxConcurrentLogStreamsGlobal", "", [](Config& c, const std::string& t) { return set_number(c.limits.max_concurrent_log_streams_global, t, 1, 1'000'000); }},
};
// clang-format on

// Keys of the Go system. Those of lists and free mappings stand for all below them.
constexpr std::array<std::string_view, 45> kForeign = {"server.transport",
                                                       "server.rateLimit.enabled",
                                                       "server.rateLimit.requestsPerSecond",
                                                       "server.rateLimit.burst",
                                                       "server.rateLimit.writeRequestsPerSecond",
                                                       "server.rateLimit.writeBurst",
                                                       "auth.oidc.issuer",
                                                       "auth.oidc.audience",
                                                       "auth.oidc.usernameClaim",
                                                       "auth.oidc.emailClaim",
                                                       "auth.oidc.roleClaim",
                                                       "auth.oidc.adminRole",
                                                       "auth.oidc.departmentClaim",
                                                       "auth.oidc.scopes",
                                                       "auth.tls.enabled",
                                                       "auth.tls.certFile",
                                                       "auth.tls.keyFile",
                                                       "auth.tls.autoTLS",
                                                       "auth.identityCacheTTL",
                                                       "auth.options",
                                                       "deployment.namespace",
                                                       "deployment.preferredTarget",
                                                       "storage.backend",
                                                       "storage.local.basePath",
                                                       "storage.github",
                                                       "storage.gitlab",
                                                       "registry",
                                                       "store.backend",
                                                       "store.sqlite.path",
                                                       "store.configmap",
                                                       "store.options",
                                                       "kubernetes.kubeconfig",
                                                       "kubernetes.context",
                                                       "limits.maxFileCount",
                                                       "limits.maxLogLines",
                                                       "quotas.enabled",
                                                       "quotas.maxAppsPerOwner",
                                                       "quotas.maxAppsPerDepartment",
                                                       "quotas.perDepartment",
                                                       "audit.failClosed",
                                                       "gc.enabled",
                                                       "gc.interval",
                                                       "gc.maxAge",
                                                       "gc.dryRun",
                                                       "tracing"};

bool is_below(std::string_view path, std::string_view parent) {
  return path.starts_with(parent) && path.size() > parent.size() && path[parent.size()] == '.';
}

}  // namespace

std::span<const Key> config_keys() { return kKeys; }

bool is_foreign_key(std::string_view path) {
  return std::any_of(kForeign.begin(), kForeign.end(),
                     [&](std::string_view key) { return path == key || is_below(path, key); });
}

bool is_section(std::string_view path) {
  auto keys = all_keys();
  return std::any_of(keys.begin(), keys.end(),
                     [&](std::string_view key) { return is_below(key, path); });
}

std::span<const std::string_view> all_keys() {
  static const std::vector<std::string_view> keys = [] {
    std::vector<std::string_view> all = {kSizesKey, kDisabledKey, kApiKeysKey, kProxiesKey};
    for (const auto& key : kKeys) all.push_back(key.path);
    all.insert(all.end(), kForeign.begin(), kForeign.end());
    // The sections they are in: "server", "server.rateLimit".
    for (std::size_t i = 0, count = all.size(); i < count; ++i) {
      std::string_view section = all[i].substr(0, all[i].rfind('.'));
      if (std::find(all.begin(), all.end(), section) == all.end()) all.push_back(section);
    }
    return all;
  }();
  return keys;
}

Result<int> parse_pool_size(const std::string& text) {
  int size = 0;
  if (auto ok = set_number(size, text, 0, 1000); !ok) return std::move(ok).error();
  return size;
}

}  // namespace vibed
