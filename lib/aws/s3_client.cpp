#include "aws/s3_client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "aws/retry.hpp"
#include "aws/s3_error.hpp"
#include "base/error_codes.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"

namespace vibed::aws {
namespace {

constexpr std::chrono::seconds kLongestLife{7 * 24 * 3600};
constexpr std::size_t kLargestAnswer = 16 * 1024 * 1024;

double random_part() {
  static thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

std::optional<std::chrono::seconds> retry_after(const fetch::Response& answer) {
  const std::string_view text = answer.header("Retry-After");
  int seconds = 0;
  auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(seconds);
}

// What curl says of a connection names the URL, and the URL the key, which is a capability.
Error without_url(Error error, const std::string& url) {
  const std::string front = url + ": ";
  if (error.message.starts_with(front)) error.message.erase(0, front.size());
  for (std::size_t at; (at = error.message.find(url)) != std::string::npos;) {
    error.message.replace(at, url.size(), "it");
  }
  return error;
}

}  // namespace

// What has been tried for one request.
struct S3Client::Attempts {
  const std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
  int number = 1;
  bool renewed = false;
  bool clock_set = false;
  std::int64_t clock_off = 0;  // that the last one was signed with
  Credentials credentials;
  S3Failed failed;  // how the last one went
  std::optional<std::chrono::seconds> asked_wait;

  // Takes in how the attempt went; true: well.
  bool is_good(const Result<fetch::Response>& answer, const S3Request& request,
               const std::string& url, Time sent_at) {
    failed = {};
    asked_wait.reset();
    if (!answer) {
      failed.connection = without_url(answer.error(), url);
      return false;
    }
    const auto& accepted = request.accepted;
    if (std::find(accepted.begin(), accepted.end(), answer->status) != accepted.end()) return true;
    const bool success = answer->status >= 200 && answer->status <= 299;
    if (success && !request.may_fail_late) return true;
    failed.said = parse_service_error(answer->body);
    if (success && failed.said.code.empty()) return true;
    failed.status = success ? 500 : answer->status;
    if (failed.said.region.empty()) failed.said.region = answer->header("x-amz-bucket-region");
    asked_wait = retry_after(*answer);
    const auto date = fetch::parse_http_date(answer->header("Date"));
    if (date) failed.clock_off = std::chrono::round<std::chrono::seconds>(*date - sent_at);
    return false;
  }

  Failure failure() const {
    return {failed.status, failed.said.code, failed.connection.code,
            !credentials.keys.session.empty(), failed.clock_off};
  }
};

S3Client::S3Client(S3Address address, S3ClientOptions options, std::shared_ptr<fetch::Client> http,
                   std::unique_ptr<CredentialCache> credentials)
    : address_(std::move(address)),
      options_(std::move(options)),
      http_(std::move(http)),
      credentials_(std::move(credentials)) {}

Error S3Client::error_of(const Attempts& attempts, const S3Request& request) const {
  S3Failed failed = attempts.failed;
  // The whole difference is worth telling, not what a correction has left of it.
  if (failed.said.code == "RequestTimeTooSkewed") {
    failed.clock_off += std::chrono::seconds(attempts.clock_off);
  }
  failed.is_head = request.method == "HEAD";
  failed.action = request.action;
  failed.bucket = address_.bucket();
  failed.endpoint = address_.endpoint();
  failed.region = options_.region;
  failed.key_id = attempts.credentials.keys.id;
  failed.origin = attempts.credentials.origin;
  return s3_error(failed);
}

Result<fetch::Response> S3Client::attempt(const S3Request& request, fetch::Request& raw,
                                          const std::string& hash, const Attempts& tried) {
  raw.headers = request.headers;
  if (request.only_new && !no_conditions_) raw.headers.emplace_back("If-None-Match", "*");
  const Time time = options_.now() + std::chrono::seconds(tried.clock_off);
  auto added = fetch::sign({raw.method, raw.url, raw.headers, hash}, tried.credentials.keys,
                           {options_.region, "s3", time});
  if (!added) return added.error();
  raw.headers.insert(raw.headers.end(), added->begin(), added->end());
  return http_->send(raw);
}

Result<fetch::Response> S3Client::send(S3Request request) {
  fetch::Request raw{.method = request.method, .url = address_.url(request.key, request.query)};
  const std::string hash = to_hex(sha256(request.body));
  raw.body = std::move(request.body);
  raw.tls = options_.tls;
  raw.timeout = options_.attempt_timeout;
  raw.connect_timeout = options_.connect_timeout;
  raw.max_body_bytes = kLargestAnswer;
  raw.repeatable = true;

  auto credentials = credentials_->get();
  if (!credentials) return credentials.error();
  Attempts tried;
  tried.credentials = *credentials;
  for (;; ++tried.number) {
    tried.clock_off = clock_off_;
    const Time sent_at = options_.now() + std::chrono::seconds(tried.clock_off);
    auto answer = attempt(request, raw, hash, tried);
    if (tried.is_good(answer, request, raw.url, sent_at)) return answer;
    if (auto cured = cure(tried, request); !cured) return cured.error();
  }
}

// Does what may make the next attempt a better one, or says why there is none.
Status S3Client::cure(Attempts& tried, const S3Request& request) {
  if (tried.failed.status == 501 && request.only_new && !no_conditions_.exchange(true)) {
    return success();
  }
  switch (cure_of(tried.failure())) {
    case Cure::none: return error_of(tried, request);
    case Cure::renew: {
      if (std::exchange(tried.renewed, true)) return error_of(tried, request);
      auto fresh = credentials_->renew(tried.credentials.keys);
      if (!fresh) return fresh.error();
      if (fresh->keys == tried.credentials.keys) return error_of(tried, request);
      tried.credentials = *fresh;
      return success();
    }
    case Cure::clock: {
      const std::int64_t off = tried.failed.clock_off.count();
      if (std::exchange(tried.clock_set, true) || off == 0) return error_of(tried, request);
      clock_off_ = tried.clock_off + off;
      log::warn("this machine's clock differs from the source store's, whose time is used",
                {{"seconds", std::to_string(tried.clock_off + off)}});
      return success();
    }
    case Cure::wait: break;
  }
  const auto delay = backoff(tried.number, random_part(), tried.asked_wait);
  const bool over = std::chrono::steady_clock::now() - tried.begun + delay > options_.deadline;
  if (tried.number >= options_.attempts || over) return error_of(tried, request);
  std::this_thread::sleep_for(delay);
  return success();
}

Result<std::string> S3Client::presign(const std::string& key, std::chrono::seconds life) {
  life = std::clamp(life, std::chrono::seconds(1), kLongestLife);
  auto credentials = credentials_->get(life);
  if (!credentials) return credentials.error();
  return fetch::presign({"GET", address_.url(key)}, credentials->keys,
                        {options_.region, "s3", now()}, life);
}

}  // namespace vibed::aws
