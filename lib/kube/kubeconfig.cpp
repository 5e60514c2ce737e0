#include "kube/kubeconfig.hpp"

#include <fmt/format.h>

#include <functional>

#include "base/error_codes.hpp"
#include "config/yaml.hpp"
#include "kube/fields.hpp"

namespace vibed::kube {
namespace {

constexpr std::string_view kExecConfig = "client.authentication.k8s.io/exec";

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

Status check_server(const Access& access, Fields& fields) {
  const bool web = access.server.starts_with("https://") || access.server.starts_with("http://");
  if (!web) fields.fail("server", "must be a URL of https");
  if (access.insecure && !access.authorities.empty()) {
    fields.fail("insecure-skip-tls-verify", "makes no sense beside certificate-authority");
  }
  return fields.done();
}

Result<Access> read_cluster(const Json& object, const std::string& where, const std::string& path) {
  Fields fields(object, where);
  const std::string folder = folder_of(path);
  Access access;
  access.origin = path;
  access.server = fields.text("server");
  while (access.server.ends_with('/')) access.server.pop_back();
  access.authorities = fields.given("certificate-authority", folder);
  access.insecure = fields.flag("insecure-skip-tls-verify");
  access.server_name = fields.text("tls-server-name");
  access.proxy = fields.text("proxy-url");
  if (auto good = check_server(access, fields); !good) return good.error();
  for (const Json& each : fields.list("extensions")) {
    if (text_at(each, {"name"}) != kExecConfig) continue;
    access.exec.emplace_back();  // holds the configuration until the user's program is known
    access.exec.back().cluster_config = find(each, {"extension"});
  }
  if (auto good = fields.done(); !good) return good.error();
  return access;
}

Result<ExecPlugin> read_exec(const Json& object, const std::string& where,
                             const std::string& folder) {
  Fields fields(object, where + ".exec");
  ExecPlugin plugin;
  plugin.api_version = fields.text("apiVersion");
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    fields.fail("apiVersion", "must be client.authentication.k8s.io/v1 or …/v1beta1");
  }
  plugin.command = fields.text("command");
  if (plugin.command.empty()) fields.fail("command", "is missing");
  if (plugin.command.find('/') != std::string::npos) {
    plugin.command = in_folder(plugin.command, folder);
  }
  plugin.arguments = fields.texts("args");
  for (const Json& each : fields.list("env")) {
    Fields variable(each, fields.where() + ".env");
    plugin.environment.emplace_back(variable.text("name"), variable.text("value"));
    if (auto good = variable.done(); !good) return good.error();
  }
  plugin.install_hint = fields.text("installHint");
  plugin.provide_cluster_info = fields.flag("provideClusterInfo");
  if (fields.text("interactiveMode") == "Always") {
    fields.fail("interactiveMode", "is Always, but nobody can be asked here");
  }
  if (auto good = fields.done(); !good) return good.error();
  return plugin;
}

void read_impersonation(Fields& fields, Access& access) {
  const auto add = [&](const char* header, std::string value) {
    if (!value.empty()) access.impersonate.emplace_back(header, std::move(value));
  };
  add("Impersonate-User", fields.text("as"));
  add("Impersonate-Uid", fields.text("as-uid"));
  for (std::string& group : fields.texts("as-groups")) add("Impersonate-Group", std::move(group));
  const Json& extra = fields.mapping("as-user-extra");
  for (const auto& [name, values] : extra.items()) {
    Fields lists(extra, fields.where() + ".as-user-extra");
    for (std::string& value : lists.texts(name)) {
      access.impersonate.emplace_back("Impersonate-Extra-" + name, std::move(value));
    }
    if (!lists.done()) fields.fail("as-user-extra", "must be lists of texts");
  }
}

Result<Access> read_user(const Json& object, const std::string& where, const std::string& path) {
  Fields fields(object, where);
  const std::string folder = folder_of(path);
  Access access;
  access.origin = path;
  access.certificate = fields.given("client-certificate", folder);
  access.key = fields.given("client-key", folder);
  if (access.certificate.empty() != access.key.empty()) {
    fields.fail("", "must have both client-certificate and client-key, or neither");
  }
  access.token = {fields.text("token"), in_folder(fields.text("tokenFile"), folder)};
  // The file wins: it is the one that can be renewed.
  if (!access.token.file.empty()) access.token.text.clear();
  access.username = fields.text("username");
  access.password = fields.text("password");
  read_impersonation(fields, access);
  if (!find(object, {"auth-provider"}).is_null()) {
    fields.fail("auth-provider", "is no longer part of Kubernetes; use exec");
  }
  if (auto good = fields.done(); !good) return good.error();
  if (const Json& exec = fields.mapping("exec"); !exec.is_null()) {
    auto plugin = read_exec(exec, where, folder);
    if (!plugin) return plugin.error();
    access.exec.push_back(std::move(*plugin));
  }
  if (auto good = fields.done(); !good) return good.error();
  return access;
}

Result<Kubeconfig::Context> read_context(const Json& object, const std::string& where,
                                         const std::string& path) {
  Fields fields(object, where);
  Kubeconfig::Context context{fields.text("cluster"), fields.text("user"), fields.text("namespace"),
                              path};
  if (auto good = fields.done(); !good) return good.error();
  return context;
}

// clusters, users and contexts are lists of {name, <field>: {…}}.
template <class T>
using Reader = std::function<Result<T>(const Json&, const std::string&, const std::string&)>;

template <class T>
Status read_named(Fields& file, const std::string& field, const std::string& path,
                  const Reader<T>& read, std::map<std::string, T>& into) {
  const std::string plural = field + "s";
  std::size_t number = 0;
  for (const Json& each : file.list(plural)) {
    const std::string name = text_at(each, {"name"});
    const std::string at = fmt::format("{}: {}[{}]", path, plural, number++);
    if (name.empty()) return make_error("bad_kubeconfig", at + " has no name");
    auto one = read(find(each, {field}), fmt::format("{} ({}).{}", at, name, field), path);
    if (!one) return std::move(one).error();
    into.emplace(name, std::move(*one));
  }
  return file.done();
}

}  // namespace

void Kubeconfig::merge(Kubeconfig other) {
  if (current_context.empty()) current_context = std::move(other.current_context);
  clusters.merge(other.clusters);
  users.merge(other.users);
  contexts.merge(other.contexts);
}

Result<Kubeconfig> parse_kubeconfig(std::string_view text, const std::string& path) {
  auto json = yaml_to_json(text);
  if (!json) return make_error("bad_kubeconfig", path + ": " + json.error().message);
  Fields file(*json, path + ": ");
  Kubeconfig config;
  if (const std::string kind = file.text("kind"); !kind.empty() && kind != "Config") {
    return make_error("bad_kubeconfig", path + ": kind must be Config, not " + kind);
  }
  config.current_context = file.text("current-context");
  Status good = read_named<Access>(file, "cluster", path, read_cluster, config.clusters);
  if (good) good = read_named<Access>(file, "user", path, read_user, config.users);
  if (good) {
    good = read_named<Kubeconfig::Context>(file, "context", path, read_context, config.contexts);
  }
  if (!good) return good.error();
  return config;
}

Result<Access> access_of(const Kubeconfig& config, const std::string& name) {
  const std::string& wanted = name.empty() ? config.current_context : name;
  if (wanted.empty()) {
    return make_error("bad_kubeconfig", "current-context is not set and no context was named");
  }
  const auto context = config.contexts.find(wanted);
  if (context == config.contexts.end()) {
    return make_error("bad_kubeconfig", "there is no context named " + wanted);
  }
  const auto& [cluster_name, user_name, space, origin] = context->second;
  const auto at = fmt::format("{}: context {}", origin, wanted);
  const auto cluster = config.clusters.find(cluster_name);
  if (cluster == config.clusters.end()) {
    return make_error("bad_kubeconfig",
                      fmt::format("{}: there is no cluster named \"{}\"", at, cluster_name));
  }
  Access access;
  if (!user_name.empty()) {
    const auto user = config.users.find(user_name);
    if (user == config.users.end()) {
      return make_error("bad_kubeconfig",
                        fmt::format("{}: there is no user named \"{}\"", at, user_name));
    }
    access = user->second;
  }
  const Access& target = cluster->second;
  access.server = target.server;
  access.authorities = target.authorities;
  access.insecure = target.insecure;
  access.server_name = target.server_name;
  access.proxy = target.proxy;
  if (!access.exec.empty() && !target.exec.empty()) {
    access.exec[0].cluster_config = target.exec[0].cluster_config;
  }
  if (!space.empty()) access.space = space;
  access.origin = origin;
  return access;
}

}  // namespace vibed::kube
