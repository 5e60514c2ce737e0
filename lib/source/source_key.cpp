#include "source/source_key.hpp"

#include <algorithm>
#include <string_view>

#include "base/ids.hpp"
#include "vibed/source_store.hpp"

namespace vibed {
namespace {

constexpr std::size_t kMaxApp = 63;
constexpr std::size_t kMaxVersionDigits = 18;
constexpr std::size_t kRandomBytes = 16;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_app_char(char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-'; }

bool is_app(std::string_view app) {
  return !app.empty() && app.size() <= kMaxApp && app.front() != '-' && app.back() != '-' &&
         std::all_of(app.begin(), app.end(), is_app_char);
}

bool is_version(std::string_view text) {
  if (text.size() < 2 || text.size() > 1 + kMaxVersionDigits || text[0] != 'v') return false;
  text.remove_prefix(1);
  return text[0] != '0' && std::all_of(text.begin(), text.end(), is_digit);
}

}  // namespace

bool is_source_key(const std::string& key) {
  std::size_t first = key.find('.');
  if (first == std::string::npos) return false;
  std::size_t second = key.find('.', first + 1);
  if (second == std::string::npos) return false;
  std::string_view text = key;
  std::string_view secret = text.substr(second + 1);
  return is_app(text.substr(0, first)) && is_version(text.substr(first + 1, second - first - 1)) &&
         secret.size() == 2 * kRandomBytes && std::all_of(secret.begin(), secret.end(), is_hex);
}

Result<std::string> make_source_key(const std::string& app, std::int64_t version) {
  std::string key = app + ".v" + std::to_string(version) + "." + random_hex(kRandomBytes);
  if (!is_source_key(key)) {
    return Error{Errc::invalid_argument,
                 "\"" + app + "\" version " + std::to_string(version) + " cannot name a source"};
  }
  return key;
}

}  // namespace vibed
