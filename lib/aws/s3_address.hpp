// Where a bucket is. Pure.
#pragma once

#include <string>
#include <string_view>

#include "fetch/sigv4.hpp"
#include "vibed/result.hpp"

namespace vibed::aws {

enum class Addressing {
  automatic,  // host on AWS itself, path elsewhere and for buckets with a dot
  path,       // https://endpoint/bucket/key
  host        // https://bucket.endpoint/key
};

class S3Address {
 public:
  // `endpoint` empty: AWS's in `region`. `bad_config` for what is no http or https URL and for what
  // no bucket is called.
  static Result<S3Address> make(std::string endpoint, const std::string& bucket,
                                const std::string& region, Addressing addressing);

  // The URL of an object, or of the bucket with an empty key.
  std::string url(std::string_view key, const fetch::Pairs& query = {}) const;

  // The object that a URL of this bucket is of, signed or not; "" for any other text.
  std::string key_of(std::string_view url) const;

  const std::string& endpoint() const { return endpoint_; }
  const std::string& bucket() const { return bucket_; }

 private:
  S3Address(std::string endpoint, std::string bucket, std::string base)
      : endpoint_(std::move(endpoint)), bucket_(std::move(bucket)), base_(std::move(base)) {}

  std::string endpoint_;  // for messages
  std::string bucket_;
  std::string base_;  // the bucket's URL, without a '/' at its end
};

}  // namespace vibed::aws
