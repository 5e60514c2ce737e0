#include "aws/s3_address.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error_codes.hpp"

namespace vibed::aws {
namespace {

constexpr std::size_t kLongestBucket = 255;

bool is_bucket(std::string_view name) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return !name.empty() && name.size() <= kLongestBucket && name.front() != '.' &&
         name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), is_good);
}

bool is_region(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// What comes before the host; 0: no URL of ours.
std::size_t scheme_of(std::string_view endpoint) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (endpoint.starts_with(scheme) && endpoint.size() > scheme.size()) return scheme.size();
  }
  return 0;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// "" for what is not percent-encoded as it should be.
std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const int high = text.size() - i > 2 ? digit(text[i + 1]) : -1;
    const int low = text.size() - i > 2 ? digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return "";
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

}  // namespace

Result<S3Address> S3Address::make(std::string endpoint, const std::string& bucket,
                                  const std::string& region, Addressing addressing) {
  if (!is_bucket(bucket)) {
    return make_error("bad_config", "storage.tarball.s3.bucket must be the name of a bucket");
  }
  if (!is_region(region)) {
    return make_error("bad_config", "storage.tarball.s3.region must be a region's name");
  }
  const bool own = !endpoint.empty();
  if (!own) {
    endpoint = fmt::format("https://s3.{}.amazonaws.com{}", region,
                           region.starts_with("cn-") ? ".cn" : "");
  }
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const std::size_t scheme = scheme_of(endpoint);
  if (scheme == 0 || endpoint.find_first_of(" \t\r\n?#@") != std::string::npos) {
    return make_error("bad_config",
                      "storage.tarball.s3.endpoint must be a URL such as https://s3.example.org");
  }
  const bool dotted = bucket.find('.') != std::string::npos;
  const bool by_host =
      addressing == Addressing::host || (addressing == Addressing::automatic && !own && !dotted);
  std::string base = by_host ? endpoint.substr(0, scheme) + bucket + "." + endpoint.substr(scheme)
                             : endpoint + "/" + bucket;
  return S3Address(std::move(endpoint), bucket, std::move(base));
}

std::string S3Address::url(std::string_view key, const fetch::Pairs& query) const {
  std::string url = base_ + "/" + fetch::uri_encode(key, fetch::Slash::keep);
  if (!query.empty()) url += "?" + fetch::query_text(query);
  return url;
}

std::string S3Address::key_of(std::string_view url) const {
  if (!url.starts_with(base_ + "/")) return "";
  url.remove_prefix(base_.size() + 1);
  return decoded(url.substr(0, url.find_first_of("?#")));
}

}  // namespace vibed::aws
