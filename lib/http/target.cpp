#include "http/target.hpp"

#include "base/error_codes.hpp"
#include "http/head_rules.hpp"
#include "http/message.hpp"

namespace vibed::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool read_query(std::string_view text, std::map<std::string, std::string>& query) {
  while (!text.empty()) {
    std::size_t end = text.find('&');
    std::string_view pair = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    std::size_t equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(equals == pair.npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) return false;
    query[*name] = *value;
  }
  return true;
}

// Takes "http://host:port" off the front of an absolute-form target.
std::optional<std::string> take_authority(std::string_view& target) {
  std::size_t colon = target.find("://");
  if (colon == target.npos) return std::nullopt;
  std::string_view scheme = target.substr(0, colon);
  if (!same_name(scheme, "http") && !same_name(scheme, "https")) return std::nullopt;
  std::string_view rest = target.substr(colon + 3);
  std::size_t end = rest.find_first_of("/?#");
  std::string authority(rest.substr(0, end));
  if (authority.empty() || authority.find('@') != authority.npos) return std::nullopt;
  target = end == rest.npos ? std::string_view() : rest.substr(end);
  return authority;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      int high = hex_digit(text[i + 1]);
      int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

Result<Target> parse_target(std::string_view method, std::string_view text) {
  Target target;
  if (text == "*" && method == "OPTIONS") {
    target.path = "*";
    return target;
  }
  if (method == "CONNECT") return bad_request("this is not a proxy");
  if (!text.starts_with('/')) {
    target.authority = take_authority(text);
    if (!target.authority) return bad_request("the request target is not a path");
  }
  if (text.find('#') != text.npos) return bad_request("the request target has a fragment");
  std::size_t mark = text.find('?');
  auto path = percent_decode(text.substr(0, mark), false);
  if (!path) return bad_request("the request target has a bad_request percent escape");
  target.path = path->empty() ? "/" : *path;
  if (target.path.front() != '/') return bad_request("the request target is not a path");
  if (mark != text.npos && !read_query(text.substr(mark + 1), target.query)) {
    return bad_request("the query has a bad_request percent escape");
  }
  return target;
}

}  // namespace vibed::http
