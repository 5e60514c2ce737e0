#include "kube/exec_plugin.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/base64.hpp"
#include "base/error_codes.hpp"
#include "base/time.hpp"
#include "process/run.hpp"

namespace vibed::kube {
namespace {

constexpr std::chrono::minutes kLongest{1};
constexpr std::size_t kLongestMessage = 300;

Error failed(const ExecPlugin& plugin, const std::string& what) {
  return make_error("credential_plugin_failed", plugin.command + ": " + what);
}

// This process's environment with `changes` in it.
std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::string> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const bool changed = std::any_of(changes.begin(), changes.end(), [&](const auto& change) {
      return line.starts_with(change.first + "=");
    });
    if (!changed) all.emplace_back(line);
  }
  for (const auto& [name, value] : changes) all.push_back(name + "=" + value);
  return all;
}

std::string last_line(std::string text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  const std::size_t line = text.find_last_of('\n');
  if (line != std::string::npos) text.erase(0, line + 1);
  return text.substr(0, kLongestMessage);
}

std::string describe(const RunOutput& output) {
  const std::string how = output.status.signal != 0
                              ? "signal " + std::to_string(output.status.signal)
                              : "exit status " + std::to_string(output.status.code);
  const std::string said = last_line(output.err);
  return said.empty() ? how : how + ": " + said;
}

}  // namespace

Json exec_info(const ExecPlugin& plugin, const Access& access, const std::string& authorities) {
  Json info = {{"apiVersion", plugin.api_version},
               {"kind", "ExecCredential"},
               {"spec", {{"interactive", false}}}};
  if (!plugin.provide_cluster_info) return info;
  Json cluster = {{"server", access.server}};
  if (!authorities.empty()) cluster["certificate-authority-data"] = to_base64(authorities);
  if (access.insecure) cluster["insecure-skip-tls-verify"] = true;
  if (!access.server_name.empty()) cluster["tls-server-name"] = access.server_name;
  if (!access.proxy.empty()) cluster["proxy-url"] = access.proxy;
  if (!plugin.cluster_config.is_null()) cluster["config"] = plugin.cluster_config;
  info["spec"]["cluster"] = std::move(cluster);
  return info;
}

Result<Credential> parse_exec_credential(std::string_view text, const ExecPlugin& plugin) {
  auto object = parse_json(text);
  if (!object) return failed(plugin, "what it printed is not JSON");
  if (text_at(*object, {"kind"}) != "ExecCredential" ||
      text_at(*object, {"apiVersion"}) != plugin.api_version) {
    return failed(plugin, "what it printed is not an ExecCredential of " + plugin.api_version);
  }
  Credential credential{text_at(*object, {"status", "token"}),
                        text_at(*object, {"status", "clientCertificateData"}),
                        text_at(*object, {"status", "clientKeyData"}),
                        {}};
  if (credential.certificate.empty() != credential.key.empty()) {
    return failed(plugin, "it gave a certificate without a key, or a key without a certificate");
  }
  if (credential.token.empty() && credential.certificate.empty()) {
    return failed(plugin, "it gave neither a token nor a certificate");
  }
  if (const auto expires = text_at(*object, {"status", "expirationTimestamp"}); !expires.empty()) {
    credential.expires = parse_rfc3339(expires);
    if (!credential.expires) return failed(plugin, "its expirationTimestamp is not a time");
  }
  return credential;
}

Result<Credential> run_exec_plugin(const ExecPlugin& plugin, const Access& access,
                                   const std::string& authorities) {
  std::vector<std::string> argv{plugin.command};
  argv.insert(argv.end(), plugin.arguments.begin(), plugin.arguments.end());
  auto changes = plugin.environment;
  changes.emplace_back("KUBERNETES_EXEC_INFO", to_text(exec_info(plugin, access, authorities)));
  auto output = run(argv, {.timeout = kLongest, .env = environment_with(changes)});
  if (!output) {
    const bool missing = output.error().code == Errc::not_found;
    const std::string hint =
        missing && !plugin.install_hint.empty() ? " (" + last_line(plugin.install_hint) + ")" : "";
    return failed(plugin, output.error().message + hint);
  }
  if (!output->status.ok()) return failed(plugin, describe(*output));
  if (output->truncated) return failed(plugin, "it printed too much");
  return parse_exec_credential(output->out, plugin);
}

}  // namespace vibed::kube
