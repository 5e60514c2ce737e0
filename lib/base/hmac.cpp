#include "base/hmac.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace vibed {

Sha256Digest hmac_sha256(std::string_view key, std::string_view message) {
  Sha256Digest digest{};
  unsigned size = 0;
  // Fails only without memory, or with a key longer than an int can say.
  ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
         &size);
  return digest;
}

}  // namespace vibed
