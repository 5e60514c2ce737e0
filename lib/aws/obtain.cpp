#include "aws/obtain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <random>
#include <thread>

#include "aws/retry.hpp"
#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"

namespace vibed::aws {
namespace {

using namespace std::chrono_literals;

constexpr int kAttempts = 3;
constexpr std::size_t kLargestFile = 64 * 1024;
constexpr std::size_t kLargestAnswer = 256 * 1024;
constexpr auto kStsTimeout = 10s;
constexpr auto kMetadataTimeout = 2s;
constexpr auto kMetadataConnect = 1s;  // there is nobody at that address on most machines

Error failed(std::string message) { return make_error("storage_credentials", std::move(message)); }

double random_part() {
  static thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

// A token as a file or a variable holds it: one line that fits a header.
Result<std::string> token_of(std::string text, const std::string& where) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.pop_back();
  if (text.empty()) return failed(where + " is empty");
  if (text.find_first_of("\r\n") != std::string::npos) return failed(where + " is no token");
  return text;
}

Result<std::string> token_file(const std::string& path) {
  auto text = read_file(path, kLargestFile);
  if (!text) return failed("read " + path + ": " + text.error().message);
  return token_of(std::move(*text), path);
}

// The answer of a 2xx. Others are errors that name `what`; what may pass is asked again.
Result<std::string> ask(fetch::Request request, const ObtainTools& tools, const std::string& what) {
  request.max_body_bytes = kLargestAnswer;
  request.repeatable = true;
  for (int number = 1;; ++number) {
    auto answer = tools.http->send(request);
    Failure failure;
    std::string why;
    if (answer && answer->status >= 200 && answer->status <= 299) return answer->body;
    if (answer) {
      const ServiceError said = parse_service_error(answer->body);
      failure.status = answer->status;
      failure.code = said.code;
      why = said.code.empty() ? fmt::format("status {}", answer->status)
                              : fmt::format("{}: {}", said.code, said.message);
    } else {
      failure.error = answer.error().code;
      why = answer.error().message;
    }
    const bool passing = cure_of(failure) == Cure::wait || failure.code == "IDPCommunicationError";
    if (!passing || number == kAttempts) return failed(what + " gave no credentials: " + why);
    std::this_thread::sleep_for(backoff(number, random_part(), std::nullopt));
  }
}

std::string sts_url(const ObtainTools& tools) {
  if (!tools.sts.empty()) return tools.sts + "/";
  return fmt::format("https://sts.{}.amazonaws.com{}/", tools.region,
                     tools.region.starts_with("cn-") ? ".cn" : "");
}

fetch::Request sts_request(const ObtainTools& tools, fetch::Pairs form, const Role& role) {
  form.emplace_back("Version", "2011-06-15");
  form.emplace_back("RoleArn", role.arn);
  form.emplace_back("RoleSessionName", role.session);
  form.emplace_back("DurationSeconds", std::to_string(role.duration.count()));
  if (!role.external_id.empty()) form.emplace_back("ExternalId", role.external_id);
  fetch::Request request{.method = "POST", .url = sts_url(tools)};
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
  request.body = fetch::query_text(form);
  request.timeout = kStsTimeout;
  request.tls = tools.tls;
  return request;
}

Result<Credentials> by_web_identity(const Plan& plan, const ObtainTools& tools) {
  auto token = token_file(plan.token_file);
  if (!token) return token.error();
  auto request = sts_request(
      tools, {{"Action", "AssumeRoleWithWebIdentity"}, {"WebIdentityToken", *token}}, plan.role);
  auto answer = ask(std::move(request), tools, "STS for the role " + plan.role.arn);
  return answer ? parse_sts_answer(*answer) : Result<Credentials>(answer.error());
}

Result<Credentials> by_role(const Plan& plan, const ObtainTools& tools) {
  auto base = obtain(*plan.base, tools);
  if (!base) return base;
  fetch::Request request = sts_request(tools, {{"Action", "AssumeRole"}}, plan.role);
  auto added =
      fetch::sign({request.method, request.url, request.headers, to_hex(sha256(request.body))},
                  base->keys, {tools.region, "sts", tools.now()});
  if (!added) return failed("the URL of STS is none: " + request.url);
  request.headers.insert(request.headers.end(), added->begin(), added->end());
  auto answer = ask(std::move(request), tools, "STS for the role " + plan.role.arn);
  return answer ? parse_sts_answer(*answer) : Result<Credentials>(answer.error());
}

Result<Credentials> of_container(const Plan& plan, const ObtainTools& tools) {
  fetch::Request request{.url = plan.url};
  request.timeout = kMetadataTimeout;
  request.tls = tools.tls;
  std::optional<Result<std::string>> token;
  if (!plan.token_file.empty()) {
    token = token_file(plan.token_file);
  } else if (!plan.token.empty()) {
    token = token_of(plan.token, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
  }
  if (token && !*token) return token->error();
  if (token) request.headers.emplace_back("Authorization", **token);
  auto answer = ask(std::move(request), tools, "the container's credential service");
  return answer ? parse_credential_document(*answer) : Result<Credentials>(answer.error());
}

// Version 2 of the service and never version 1: a token first, which a request that was smuggled
// through a proxy or a careless app cannot get.
Result<Credentials> of_instance(const Plan& plan, const ObtainTools& tools) {
  const std::string what =
      "the instance's metadata service (in a pod its answers need a hop limit of 2)";
  fetch::Request request{.method = "PUT", .url = plan.url + "/latest/api/token"};
  request.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}};
  request.timeout = kMetadataTimeout;
  request.connect_timeout = kMetadataConnect;
  auto text = ask(request, tools, what);
  if (!text) return text.error();
  auto token = token_of(std::move(*text), "the token of the instance's metadata service");
  if (!token) return token.error();
  const std::string folder = plan.url + "/latest/meta-data/iam/security-credentials/";
  request.method = "GET";
  request.headers = {{"X-aws-ec2-metadata-token", *token}};
  request.url = folder;
  auto roles = ask(request, tools, "the instance, which has no role,");
  if (!roles) return roles.error();
  const std::string role = roles->substr(0, roles->find_first_of("\r\n"));
  if (role.empty()) return failed("the instance has no role");
  request.url = folder + fetch::uri_encode(role, fetch::Slash::encode);
  auto answer = ask(request, tools, "the instance's role " + role);
  return answer ? parse_credential_document(*answer) : Result<Credentials>(answer.error());
}

Result<Credentials> by_kind(const Plan& plan, const ObtainTools& tools) {
  switch (plan.kind) {
    case Plan::Kind::keys: return Credentials{plan.keys, {}, plan.origin};
    case Plan::Kind::web_identity: return by_web_identity(plan, tools);
    case Plan::Kind::assume_role: return by_role(plan, tools);
    case Plan::Kind::container: return of_container(plan, tools);
    case Plan::Kind::instance: return of_instance(plan, tools);
  }
  return failed("no such source of credentials");
}

}  // namespace

Result<Credentials> obtain(const Plan& plan, const ObtainTools& tools) {
  auto credentials = by_kind(plan, tools);
  if (credentials) credentials->origin = plan.origin;
  return credentials;
}

}  // namespace vibed::aws
