#include "fetch/sigv4.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "base/hmac.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"

namespace vibed::fetch {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kEnd = "aws4_request";

struct Url {
  std::string_view scheme;
  std::string_view authority;
  std::string_view path;   // "/" if there is none
  std::string_view query;  // without '?'
};

std::optional<Url> split(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  Url url{text.substr(0, colon), {}, "/", {}};
  text.remove_prefix(colon + 3);
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  url.authority = text.substr(0, end);
  text.remove_prefix(end);
  const std::size_t mark = std::min(text.find('?'), text.size());
  if (mark > 0) url.path = text.substr(0, mark);
  if (mark < text.size()) url.query = text.substr(mark + 1);
  const bool strange =
      text.find('#') != std::string_view::npos || url.authority.find('@') != std::string_view::npos;
  if (url.authority.empty() || strange) return std::nullopt;
  return url;
}

// As a client puts it into Host: without the port that goes without saying.
std::string host_of(const Url& url) {
  const std::string_view usual = url.scheme == "https" ? ":443" : ":80";
  std::string_view host = url.authority;
  if (host.ends_with(usual)) host.remove_suffix(usual.size());
  return std::string(host);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// Without blanks at the ends and with single ones inside.
std::string squeezed(std::string_view text) {
  std::string result;
  bool blank = false;
  for (char c : text) {
    if (c == ' ' || c == '\t') {
      blank = !result.empty();
      continue;
    }
    if (blank) result += ' ';
    blank = false;
    result += c;
  }
  return result;
}

std::map<std::string, std::string> canonical_headers(const Signable& request,
                                                     std::string_view host) {
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : request.headers) {
    auto [at, is_new] = headers.try_emplace(lower(name), squeezed(value));
    if (!is_new) at->second += "," + squeezed(value);
  }
  headers["host"] = std::string(host);
  return headers;
}

std::string names_of(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

std::string canonical_query(std::string_view query) {
  Pairs pairs;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    pairs.emplace_back(pair.substr(0, equals),
                       equals < pair.size() ? pair.substr(equals + 1) : std::string_view());
  }
  std::sort(pairs.begin(), pairs.end());
  std::string text;
  for (const auto& [name, value] : pairs) {
    text += (text.empty() ? "" : "&") + name + "=" + value;
  }
  return text;
}

std::string raw(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string day_of(const SigningScope& scope) { return amz_date(scope.time).substr(0, 8); }

std::string credential_scope(const SigningScope& scope) {
  return day_of(scope) + "/" + scope.region + "/" + scope.service + "/" + std::string(kEnd);
}

std::string signature(const std::string& canonical, const AwsKeys& keys,
                      const SigningScope& scope) {
  const std::string text = std::string(kAlgorithm) + "\n" + amz_date(scope.time) + "\n" +
                           credential_scope(scope) + "\n" + to_hex(sha256(canonical));
  std::string key = "AWS4" + keys.secret;
  for (const std::string& part : {day_of(scope), scope.region, scope.service, std::string(kEnd)}) {
    key = raw(hmac_sha256(key, part));
  }
  return to_hex(hmac_sha256(key, text));
}

Error no_url() { return {Errc::invalid_argument, "not a URL that can be signed"}; }

}  // namespace

std::string canonical_request(const Signable& request, std::string_view host,
                              const SigningScope& scope) {
  const auto url = split(request.url);
  const std::string path(url ? url->path : "/");
  const auto headers = canonical_headers(request, host);
  std::string text = request.method + "\n" +
                     (scope.service == "s3" ? path : uri_encode(path, Slash::keep)) + "\n" +
                     canonical_query(url ? url->query : "") + "\n";
  for (const auto& [name, value] : headers) text += name + ":" + value + "\n";
  return text + "\n" + names_of(headers) + "\n" + request.payload_hash;
}

Result<Pairs> sign(const Signable& request, const AwsKeys& keys, const SigningScope& scope) {
  const auto url = split(request.url);
  if (!url) return no_url();
  const std::string host = host_of(*url);
  Pairs added{{"Host", host}, {"X-Amz-Date", amz_date(scope.time)}};
  if (!keys.session.empty()) added.emplace_back("X-Amz-Security-Token", keys.session);
  if (scope.service == "s3") added.emplace_back("X-Amz-Content-Sha256", request.payload_hash);
  Signable whole = request;
  whole.headers.insert(whole.headers.end(), added.begin() + 1, added.end());
  const std::string canonical = canonical_request(whole, host, scope);
  added.emplace_back("Authorization", std::string(kAlgorithm) + " Credential=" + keys.id + "/" +
                                          credential_scope(scope) + ", SignedHeaders=" +
                                          names_of(canonical_headers(whole, host)) +
                                          ", Signature=" + signature(canonical, keys, scope));
  return added;
}

Result<std::string> presign(const Signable& request, const AwsKeys& keys, const SigningScope& scope,
                            std::chrono::seconds life) {
  const auto url = split(request.url);
  if (!url) return no_url();
  const std::string host = host_of(*url);
  Signable whole = request;
  whole.payload_hash = kUnsignedPayload;
  Pairs query{{"X-Amz-Algorithm", std::string(kAlgorithm)},
              {"X-Amz-Credential", keys.id + "/" + credential_scope(scope)},
              {"X-Amz-Date", amz_date(scope.time)},
              {"X-Amz-Expires", std::to_string(life.count())}};
  if (!keys.session.empty()) query.emplace_back("X-Amz-Security-Token", keys.session);
  query.emplace_back("X-Amz-SignedHeaders", names_of(canonical_headers(whole, host)));
  whole.url +=
      (url->query.empty() ? (whole.url.ends_with('?') ? "" : "?") : "&") + query_text(query);
  return whole.url +
         "&X-Amz-Signature=" + signature(canonical_request(whole, host, scope), keys, scope);
}

std::string uri_encode(std::string_view text, Slash slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (char c : text) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool plain = letter || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                       c == '~' || (c == '/' && slash == Slash::keep);
    if (plain) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

std::string query_text(const Pairs& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    if (!text.empty()) text += '&';
    text += uri_encode(name, Slash::encode) + "=" + uri_encode(value, Slash::encode);
  }
  return text;
}

std::string amz_date(std::chrono::system_clock::time_point time) {
  std::string text = to_rfc3339(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

std::optional<std::chrono::system_clock::time_point> parse_http_date(std::string_view text) {
  const std::time_t seconds = ::curl_getdate(std::string(text).c_str(), nullptr);
  if (seconds < 0) return std::nullopt;
  return std::chrono::system_clock::from_time_t(seconds);
}

}  // namespace vibed::fetch
