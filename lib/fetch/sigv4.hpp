// SigV4: the signatures that AWS and what speaks like it ask for (AWS4-HMAC-SHA256). Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vibed/result.hpp"

namespace vibed::fetch {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct AwsKeys {
  std::string id = {};
  std::string secret = {};
  std::string session = {};  // of temporary keys
  friend bool operator==(const AwsKeys&, const AwsKeys&) = default;
};

struct SigningScope {
  std::string region = {};
  std::string service = {};  // "s3", whose paths are encoded once; those of others are twice
  std::chrono::system_clock::time_point time = {};
};

// A request about to be signed. All its headers are.
struct Signable {
  std::string method = "GET";
  std::string url = {};  // path and query in the form of uri_encode(), as they will be sent
  Pairs headers = {};
  std::string payload_hash = {};  // SHA-256 of the body in hex, or kUnsignedPayload
};

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// What goes into the request beside its own headers: Host, X-Amz-Date, Authorization, and where
// they apply X-Amz-Security-Token and X-Amz-Content-Sha256. `invalid_argument` for what is no URL.
Result<Pairs> sign(const Signable& request, const AwsKeys& keys, const SigningScope& scope);

// The URL with a signature in its query, which is good for `life` from the scope's time on. The
// body is not signed. Of temporary keys it is good no longer than they are.
Result<std::string> presign(const Signable& request, const AwsKeys& keys, const SigningScope& scope,
                            std::chrono::seconds life);

// The first steps of sign() and presign(), for tests: what is hashed.
std::string canonical_request(const Signable& request, std::string_view host,
                              const SigningScope& scope);

// Percent-encodes all but letters, digits and "-._~"; '/' too unless it is kept.
enum class Slash { encode, keep };
std::string uri_encode(std::string_view text, Slash slash);

// "a=1&b=": names and values encoded, in the order given.
std::string query_text(const Pairs& query);

// "20130524T000000Z"
std::string amz_date(std::chrono::system_clock::time_point time);

// The header Date of an answer: "Fri, 24 May 2013 00:00:00 GMT"; nothing if it is not one.
std::optional<std::chrono::system_clock::time_point> parse_http_date(std::string_view text);

}  // namespace vibed::fetch
