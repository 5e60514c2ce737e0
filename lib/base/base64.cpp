#include "base/base64.hpp"

#include <openssl/evp.h>

#include <climits>

namespace vibed {
namespace {

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The digits of `text` alone, padding included; nothing if padding stands anywhere but at the end.
std::optional<std::string> digits_of(std::string_view text) {
  std::string digits;
  digits.reserve(text.size());
  std::size_t padding = 0;
  for (char c : text) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '=') {
      ++padding;
    } else if (padding > 0 || kDigits.find(c) == std::string_view::npos) {
      return std::nullopt;
    }
    digits += c;
  }
  if (padding > 2 || digits.size() % 4 != 0 || digits.size() > INT_MAX) return std::nullopt;
  return digits;
}

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and the NUL that OpenSSL writes
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  const int length = EVP_EncodeBlock(bytes_of(text), from, static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  auto digits = digits_of(text);
  if (!digits) return std::nullopt;
  if (digits->empty()) return std::string();
  std::string bytes(digits->size() / 4 * 3, '\0');
  const int length =
      EVP_DecodeBlock(bytes_of(bytes), bytes_of(*digits), static_cast<int>(digits->size()));
  if (length < 0) return std::nullopt;
  // OpenSSL counts the bytes that padding stands for.
  bytes.resize(static_cast<std::size_t>(length) - (digits->ends_with("==")  ? 2U
                                                   : digits->ends_with('=') ? 1U
                                                                            : 0U));
  return bytes;
}

}  // namespace vibed
