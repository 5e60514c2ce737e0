#include "auth/authenticator.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/error_codes.hpp"
#include "base/ids.hpp"

namespace vibed::auth {
namespace {

constexpr std::size_t kLongestUser = 256;
constexpr const char* kProxyUser = "oauth-user";

Error wrong(const std::string& what) { return make_error("bad_config", what); }

Error refused(const char* what) { return Error{Errc::unauthenticated, what}; }

bool is_bearer(std::string_view word) {
  constexpr std::string_view kScheme = "bearer";
  return std::equal(word.begin(), word.end(), kScheme.begin(), kScheme.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  });
}

// The token of "Bearer TOKEN": exactly two words.
std::string_view bearer_token(std::string_view authorization) {
  std::size_t space = authorization.find(' ');
  if (space == authorization.npos || !is_bearer(authorization.substr(0, space))) return "";
  std::string_view token = authorization.substr(space + 1);
  return token.find_first_of(" \t") == token.npos ? token : "";
}

// A record replaces bytes that are not UTF-8: its owner would be somebody else.
bool is_utf8(std::string_view text) {
  using Json = nlohmann::json;
  const Json sent = std::string(text);
  return Json::parse(sent.dump(-1, ' ', false, Json::error_handler_t::replace)) == sent;
}

bool is_user(std::string_view text) {
  return !text.empty() && text.size() <= kLongestUser &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; }) &&
         is_utf8(text);
}

bool is_loopback(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") return true;
  auto ip = parse_ip(host);
  if (!ip) return false;
  static const Network kFour = *parse_network("127.0.0.0/8");
  static const Network kSix = *parse_network("::1");
  return kFour.contains(*ip) || kSix.contains(*ip);
}

}  // namespace

Result<Authenticator> Authenticator::make(const Config::Auth& config) {
  Authenticator made;
  if (!config.enabled) return made;
  if (config.mode != "apikey" && config.mode != "oauth") {
    return wrong("auth.mode " + config.mode + " is not in this version; use apikey or oauth");
  }
  made.mode_ = config.mode == "apikey" ? Mode::keys : Mode::proxy;
  if (config.api_keys.empty()) return wrong("auth is enabled and auth.apiKeys has no key");
  for (const Config::ApiKey& key : config.api_keys) {
    if (key.key.empty()) return wrong("the key \"" + key.name + "\" of auth.apiKeys is empty");
    if (key.key.find_first_of(" \t\r\n") != std::string::npos) {
      return wrong("the key \"" + key.name + "\" of auth.apiKeys has a space in it");
    }
    if (!is_user(key.name)) return wrong("a key of auth.apiKeys has no usable name");
    if (key.role != "admin" && key.role != "user") {
      return wrong("the role of the key \"" + key.name + "\" must be admin or user");
    }
    made.keys_.push_back({to_hex(sha256(key.key)), key.name, key.role == "admin"});
  }
  for (const std::string& text : config.trusted_proxies) {
    auto network = parse_network(text);
    if (!network) return wrong("\"" + text + "\" of auth.trustedProxies is no network");
    made.proxies_.push_back(*network);
  }
  return made;
}

Result<Caller> Authenticator::authenticate(const Credentials& credentials) const {
  if (mode_ == Mode::off) return Caller{};
  std::string_view token = bearer_token(credentials.authorization);
  if (token.empty()) return refused("no bearer token");
  std::string digest = to_hex(sha256(token));
  const Key* found = nullptr;
  for (const Key& key : keys_) {
    if (equal_constant_time(key.digest, digest) && found == nullptr) found = &key;
  }
  if (found == nullptr) return refused("invalid token");
  if (mode_ == Mode::keys) return Caller{"apikey-" + found->name, found->admin};

  auto peer = parse_peer(credentials.peer);
  bool trusted = peer && std::any_of(proxies_.begin(), proxies_.end(),
                                     [&](const Network& each) { return each.contains(*peer); });
  if (!trusted || credentials.forwarded_user.empty()) return Caller{kProxyUser, false};
  if (!is_user(credentials.forwarded_user)) return refused("X-Forwarded-User names no user");
  return Caller{std::string(credentials.forwarded_user), false};
}

Status check_exposure(const Config& config) {
  if (config.auth.enabled || config.auth.dev_insecure || is_loopback(config.server.http_addr)) {
    return success();
  }
  return wrong("the API would listen at " + config.server.http_addr +
               " for everybody: enable auth, listen at 127.0.0.1, or set auth.devInsecure");
}

}  // namespace vibed::auth
