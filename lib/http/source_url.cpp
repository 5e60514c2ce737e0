#include "http/source_url.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace vibed::http {
namespace {

Error bad_url(std::string message) { return {Errc::invalid_argument, std::move(message)}; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_clean(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != 127; });
}

std::string_view default_port(std::string_view scheme) { return scheme == "http" ? "80" : "443"; }

bool is_port(std::string_view text) {
  std::uint16_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number != 0;
}

}  // namespace

std::string SourceUrl::host_header() const {
  bool six = host.find(':') != std::string::npos;
  std::string name = six ? "[" + host + "]" : host;
  return port == default_port(scheme) ? name : name + ":" + port;
}

Result<SourceUrl> parse_source_url(std::string_view text) {
  SourceUrl url;
  std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || !is_clean(text)) return bad_url("source url is not a URL");
  url.scheme = lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https")
    return bad_url("source url scheme \"" + url.scheme + "\" is not allowed (http or https only)");
  text.remove_prefix(colon + 3);
  std::size_t slash = std::min(text.find_first_of("/?#"), text.size());
  std::string_view authority = text.substr(0, slash);
  std::string_view rest = text.substr(slash);
  rest = rest.substr(0, rest.find('#'));
  if (!rest.starts_with('/')) url.target = "/";
  url.target += rest;
  authority.remove_prefix(authority.rfind('@') + 1);  // npos + 1 is 0
  std::size_t close = authority.starts_with('[') ? authority.find(']') : 0;
  if (close == std::string_view::npos) return bad_url("source url has a malformed host");
  std::size_t port = authority.find(':', close);
  url.host = std::string(close > 0 ? authority.substr(1, close - 1) : authority.substr(0, port));
  url.port = std::string(port == std::string_view::npos ? default_port(url.scheme)
                                                        : authority.substr(port + 1));
  if (url.host.empty() || !is_port(url.port))
    return bad_url("source url has a malformed host or port");
  return url;
}

Result<SourceUrl> follow_redirect(const SourceUrl& from, std::string_view location) {
  if (location.empty()) return bad_url("fetch source: a redirect to nowhere");
  bool whole = location.find("://") < location.find_first_of("/?#");
  if (whole || location.starts_with("//")) {
    auto to =
        parse_source_url(whole ? std::string(location) : from.scheme + ":" + std::string(location));
    if (to && from.scheme == "https" && to->scheme == "http")
      return bad_url("fetch source: a redirect from https to http is not followed");
    return to;
  }
  if (!is_clean(location)) return bad_url("source url is not a URL");
  SourceUrl to = from;
  location = location.substr(0, location.find('#'));
  std::string_view path = std::string_view(from.target).substr(0, from.target.find('?'));
  bool query = location.starts_with('?');
  bool absolute = location.starts_with('/');
  std::string_view base = absolute ? "" : query ? path : path.substr(0, path.rfind('/') + 1);
  to.target = fmt::format("{}{}", base, location);
  return to;
}

}  // namespace vibed::http
