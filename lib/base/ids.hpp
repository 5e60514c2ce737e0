// Random names and hashes.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace vibed {

// `bytes` random bytes from the kernel as lower-case hex. Ends the process if the kernel has none.
std::string random_hex(std::size_t bytes);

// A random UUID, version 4, lower case.
std::string random_uuid();

using Sha256Digest = std::array<unsigned char, 32>;

// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::string_view bytes);
  Sha256Digest finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256Digest sha256(std::string_view bytes);
std::string to_hex(std::string_view bytes);
std::string to_hex(const Sha256Digest& digest);

// Lower-case base32hex (RFC 4648 section 7) without padding.
std::string to_base32hex(std::string_view bytes);

// Whether two texts are equal, in a time that does not tell where they differ.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace vibed
