// S3Client: signed requests to one bucket, repeated where that helps. Blocking.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "aws/chain.hpp"
#include "aws/s3_address.hpp"
#include "fetch/fetch.hpp"

namespace vibed::aws {

struct S3Request {
  std::string action = {};  // what a policy must allow for it, "s3:GetObject"
  std::string method = "GET";
  std::string key = {};  // of an object; empty: the bucket itself
  fetch::Pairs query = {};
  fetch::Pairs headers = {};
  std::string body = {};
  bool only_new = false;           // 412 if there is such an object; where the store can do that
  std::vector<int> accepted = {};  // statuses that are no errors, beside 2xx
  bool may_fail_late = false;      // a 200 whose body is an error is one
};

struct S3ClientOptions {
  std::string region = "us-east-1";
  std::shared_ptr<const fetch::Tls> tls = {};
  int attempts = 8;  // while failing in a way that may pass
  std::chrono::milliseconds attempt_timeout{60'000};
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds deadline{25'000};  // after which no new attempt begins
  Now now = std::chrono::system_clock::now;
};

// Any thread.
class S3Client {
 public:
  S3Client(S3Address address, S3ClientOptions options, std::shared_ptr<fetch::Client> http,
           std::unique_ptr<CredentialCache> credentials);

  // The answer of a success. Every error is one of s3_error() or of the credentials. Takes the
  // body out of `request`.
  //
  // Each request's body is signed with its SHA-256: it is in memory anyway so that it can be sent
  // again, and so every store checks it, over http as well, and none has to know about chunks.
  Result<fetch::Response> send(S3Request request);

  // A URL that reads the object for `life`, at most seven days.
  Result<std::string> presign(const std::string& key, std::chrono::seconds life);

  const S3Address& address() const { return address_; }

  // Now, by the store's clock where that was seen to differ.
  Time now() const { return options_.now() + std::chrono::seconds(clock_off_); }

 private:
  struct Attempts;
  Result<fetch::Response> attempt(const S3Request& request, fetch::Request& raw,
                                  const std::string& hash, const Attempts& tried);
  Status cure(Attempts& tried, const S3Request& request);
  Error error_of(const Attempts& attempts, const S3Request& request) const;

  const S3Address address_;
  const S3ClientOptions options_;
  const std::shared_ptr<fetch::Client> http_;
  const std::unique_ptr<CredentialCache> credentials_;
  std::atomic<std::int64_t> clock_off_{0};  // the store's less ours, in seconds; 0 until corrected
  std::atomic<bool> no_conditions_{false};  // the store does not know If-None-Match
};

}  // namespace vibed::aws
