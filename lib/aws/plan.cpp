#include "aws/plan.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error_codes.hpp"

namespace vibed::aws {
namespace {

constexpr std::string_view kTaskAddress = "http://169.254.170.2";
constexpr std::string_view kInstanceAddress = "http://169.254.169.254";
constexpr std::string_view kInstanceAddress6 = "http://[fd00:ec2::254]";
constexpr std::string_view kSession = "vibed";

Error none(std::string message) { return make_error("storage_credentials", std::move(message)); }

std::string text_of(const Section& section, const std::string& key) {
  auto at = section.find(key);
  return at == section.end() ? "" : at->second;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string chosen_profile(const Environment& environment) {
  std::string name = variable(environment, "AWS_PROFILE");
  if (name.empty()) name = variable(environment, "AWS_DEFAULT_PROFILE");
  return name.empty() ? "default" : name;
}

// Both files as one; of a key that both have, the credentials file's counts.
Profiles merged(const SharedFiles& files) {
  Profiles all = parse_config_file(files.config);
  for (auto& [name, section] : parse_credentials_file(files.credentials)) {
    for (auto& [key, value] : section) all[name][key] = value;
  }
  return all;
}

fetch::AwsKeys keys_of(const Section& profile) {
  return {text_of(profile, "aws_access_key_id"), text_of(profile, "aws_secret_access_key"),
          text_of(profile, "aws_session_token")};
}

Plan keys_plan(fetch::AwsKeys keys, std::string origin) {
  Plan plan;
  plan.kind = Plan::Kind::keys;
  plan.keys = std::move(keys);
  plan.origin = std::move(origin);
  return plan;
}

// A container's service is asked over http only where the way to it is this machine's own.
bool may_ask(std::string_view url) {
  if (url.starts_with("https://")) return true;
  constexpr std::string_view kHttp = "http://";
  if (!url.starts_with(kHttp)) return false;
  url.remove_prefix(kHttp.size());
  std::string_view host = url.substr(0, url.find_first_of("/?"));
  if (host.find('@') != std::string_view::npos) return false;
  const std::size_t port = host.find(':', host.starts_with('[') ? host.find(']') : 0);
  host = host.substr(0, port);
  return host == "localhost" || host.starts_with("127.") || host == "[::1]" ||
         host == "169.254.170.2" || host == "169.254.170.23" || host == "[fd00:ec2::23]";
}

bool has_container(const Environment& environment) {
  return !variable(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
         !variable(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI").empty();
}

Result<Plan> container_plan(const Environment& environment) {
  Plan plan;
  plan.kind = Plan::Kind::container;
  plan.origin = "the container's credentials";
  const std::string relative = variable(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  plan.url = relative.empty() ? variable(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
                              : std::string(kTaskAddress) + relative;
  if (!may_ask(plan.url) || (!relative.empty() && !relative.starts_with('/'))) {
    return none("AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this machine");
  }
  plan.token_file = variable(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  plan.token = variable(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
  return plan;
}

Result<Plan> instance_plan(const Environment& environment) {
  if (lower(variable(environment, "AWS_EC2_METADATA_DISABLED")) == "true") {
    return none(
        "no AWS credentials: none in the environment, the shared files or the container, and the "
        "instance's metadata service is switched off; set storage.tarball.s3.accessKey and "
        "secretKey, or give the pod a role");
  }
  Plan plan;
  plan.origin = "the instance's role";
  plan.url = variable(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
  const bool six = lower(variable(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")) == "ipv6";
  if (plan.url.empty()) plan.url = six ? kInstanceAddress6 : kInstanceAddress;
  while (plan.url.ends_with('/')) plan.url.pop_back();
  return plan;
}

Plan web_identity_plan(std::string token_file, std::string role, std::string session,
                       std::string origin) {
  Plan plan;
  plan.kind = Plan::Kind::web_identity;
  plan.token_file = std::move(token_file);
  plan.role.arn = std::move(role);
  plan.role.session = session.empty() ? std::string(kSession) : std::move(session);
  plan.origin = std::move(origin);
  return plan;
}

// Follows one profile, and those that it names.
class ProfileReader {
 public:
  ProfileReader(const Environment& environment, const Profiles& profiles)
      : environment_(environment), profiles_(profiles) {}

  // Nothing in it: a plan of kind `instance` without a url.
  Result<Plan> read(const std::string& name) {
    const std::string origin = "the profile " + name;
    auto at = profiles_.find(name);
    if (at == profiles_.end()) return none(origin + " is in no file");
    const Section& profile = at->second;
    const bool seen_before = !seen_.insert(name).second;
    // A profile may name itself as the source of its role: then its own keys are meant.
    const fetch::AwsKeys keys = keys_of(profile);
    if (!text_of(profile, "role_arn").empty() && !seen_before) return role(name, profile);
    if (!keys.id.empty() && !keys.secret.empty()) return keys_plan(keys, origin);
    if (seen_before) return none(origin + " is its own source");
    if (!keys.id.empty() || !keys.secret.empty()) {
      return none(origin + " has only one of aws_access_key_id and aws_secret_access_key");
    }
    for (const char* key : {"credential_process", "sso_session", "sso_start_url"}) {
      if (text_of(profile, key).empty()) continue;
      return none(origin + " uses " + key + ", which vibed does not do; use a role or keys");
    }
    return Plan{};
  }

 private:
  Result<Plan> role(const std::string& name, const Section& profile) {
    const std::string origin = "the profile " + name;
    const std::string arn = text_of(profile, "role_arn");
    const std::string session = text_of(profile, "role_session_name");
    const std::string token_file = text_of(profile, "web_identity_token_file");
    if (!token_file.empty()) return web_identity_plan(token_file, arn, session, origin);
    if (!text_of(profile, "mfa_serial").empty()) {
      return none(origin + " needs mfa_serial, and nobody is here to type a code");
    }
    auto base = base_of(name, profile);
    if (!base) return base;
    Plan plan;
    plan.kind = Plan::Kind::assume_role;
    plan.origin = origin;
    plan.role.arn = arn;
    plan.role.session = session.empty() ? std::string(kSession) : session;
    plan.role.external_id = text_of(profile, "external_id");
    int seconds = 0;
    const std::string duration = text_of(profile, "duration_seconds");
    const char* end = duration.data() + duration.size();
    if (!duration.empty()) {
      auto [rest, bad] = std::from_chars(duration.data(), end, seconds);
      if (bad != std::errc() || rest != end || seconds < 900 || seconds > 43200) {
        return none(origin + ": duration_seconds must be from 900 to 43200");
      }
      plan.role.duration = std::chrono::seconds(seconds);
    }
    plan.base = std::make_shared<const Plan>(std::move(*base));
    return plan;
  }

  Result<Plan> base_of(const std::string& name, const Section& profile) {
    const std::string source = text_of(profile, "source_profile");
    const std::string where = text_of(profile, "credential_source");
    if (!source.empty()) {
      auto base = read(source);
      if (base && base->kind == Plan::Kind::instance && base->url.empty()) {
        return none("the profile " + source + " has no credentials");
      }
      return base;
    }
    if (where == "Environment") {
      fetch::AwsKeys keys{variable(environment_, "AWS_ACCESS_KEY_ID"),
                          variable(environment_, "AWS_SECRET_ACCESS_KEY"),
                          variable(environment_, "AWS_SESSION_TOKEN")};
      if (!keys.id.empty() && !keys.secret.empty()) return keys_plan(keys, "the environment");
      return none("the profile " + name + " wants keys of the environment, which has none");
    }
    if (where == "Ec2InstanceMetadata") return instance_plan(environment_);
    if (where == "EcsContainer") return container_plan(environment_);
    return none("the profile " + name + " has a role_arn but no source_profile for it");
  }

  const Environment& environment_;
  const Profiles& profiles_;
  std::set<std::string> seen_;
};

Section own_profile(const Environment& environment, const SharedFiles& files) {
  Profiles all = merged(files);
  auto at = all.find(chosen_profile(environment));
  return at == all.end() ? Section() : at->second;
}

}  // namespace

std::string variable(const Environment& environment, const std::string& name) {
  auto at = environment.find(name);
  return at == environment.end() ? "" : at->second;
}

SharedPaths shared_paths(const Environment& environment) {
  SharedPaths paths{variable(environment, "AWS_CONFIG_FILE"),
                    variable(environment, "AWS_SHARED_CREDENTIALS_FILE")};
  const std::string home = variable(environment, "HOME");
  if (home.empty()) return paths;
  if (paths.config.empty()) paths.config = home + "/.aws/config";
  if (paths.credentials.empty()) paths.credentials = home + "/.aws/credentials";
  return paths;
}

Result<Plan> plan_credentials(const Environment& environment, const SharedFiles& files) {
  fetch::AwsKeys keys{variable(environment, "AWS_ACCESS_KEY_ID"),
                      variable(environment, "AWS_SECRET_ACCESS_KEY"),
                      variable(environment, "AWS_SESSION_TOKEN")};
  if (!keys.id.empty() && !keys.secret.empty()) return keys_plan(keys, "the environment");
  if (!keys.id.empty() || !keys.secret.empty()) {
    return none("only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set");
  }
  const std::string token_file = variable(environment, "AWS_WEB_IDENTITY_TOKEN_FILE");
  const std::string role = variable(environment, "AWS_ROLE_ARN");
  if (!token_file.empty()) {
    if (role.empty()) return none("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN");
    return web_identity_plan(token_file, role, variable(environment, "AWS_ROLE_SESSION_NAME"),
                             "the web identity of the environment");
  }
  const Profiles profiles = merged(files);
  const std::string name = chosen_profile(environment);
  if (profiles.contains(name) || name != "default") {
    auto plan = ProfileReader(environment, profiles).read(name);
    const bool empty = plan && plan->kind == Plan::Kind::instance && plan->url.empty();
    if (!empty) return plan;
  }
  if (has_container(environment)) return container_plan(environment);
  return instance_plan(environment);
}

std::string find_region(const Environment& environment, const SharedFiles& files) {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (std::string region = variable(environment, name); !region.empty()) return region;
  }
  return text_of(own_profile(environment, files), "region");
}

std::string find_endpoint(const Environment& environment, const SharedFiles& files,
                          std::string_view service) {
  if (lower(variable(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) == "true") return "";
  std::string own = "AWS_ENDPOINT_URL_";
  for (char c : service) own += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  std::string url = variable(environment, own);
  if (url.empty()) url = variable(environment, "AWS_ENDPOINT_URL");
  if (url.empty()) url = text_of(own_profile(environment, files), "endpoint_url");
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace vibed::aws
