#include "agent/listeners.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <tuple>

#include "base/fd.hpp"

namespace vibed::agent {
namespace {

constexpr std::string_view kListening = "0A";
// Far more listeners than an app has; the rest of the file, connections, is never read.
constexpr std::size_t kEnough = 32 * 1024;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (words.size() < 4) {
    std::size_t begin = line.find_first_not_of(' ');
    if (begin == std::string_view::npos) break;
    line.remove_prefix(begin);
    std::size_t end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

template <class Number>
bool read_hex(std::string_view text, Number& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size();
}

// The kernel prints an address as 32-bit words in the machine's own byte order.
std::string address_text(std::string_view hex) {
  std::array<unsigned char, 16> bytes{};
  if (hex.size() != 8 && hex.size() != 32) return "";
  for (std::size_t word = 0; word < hex.size() / 8; ++word) {
    std::uint32_t value = 0;
    if (!read_hex(hex.substr(word * 8, 8), value)) return "";
    std::memcpy(bytes.data() + word * 4, &value, 4);
  }
  constexpr std::array<unsigned char, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  bool mapped = hex.size() == 32 && std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
  const void* at = mapped ? bytes.data() + 12 : bytes.data();
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(hex.size() == 8 || mapped ? AF_INET : AF_INET6, at, text, sizeof text);
  return text;
}

std::string read_start(const char* path) {
  Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  while (fd && text.size() < kEnough) {
    ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace

std::string Listener::dial_address() const {
  if (address == "0.0.0.0") return "127.0.0.1";
  return address == "::" ? "::1" : address;
}

std::vector<Listener> parse_listeners(std::string_view text) {
  std::vector<Listener> found;
  bool heading = true;
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    auto words = words_of(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (std::exchange(heading, false)) continue;
    if (words.size() < 4 || words[3] != kListening) break;
    std::size_t colon = words[1].find(':');
    if (colon == std::string_view::npos) continue;
    Listener one{address_text(words[1].substr(0, colon)), 0};
    if (!one.address.empty() && read_hex(words[1].substr(colon + 1), one.port))
      found.push_back(std::move(one));
  }
  return found;
}

std::optional<Listener> choose_listener(const std::vector<Listener>& found, int wanted_port,
                                        const std::set<Listener>& not_its) {
  std::optional<Listener> best;
  auto rank = [&](const Listener& one) {
    return std::tuple(one.port != wanted_port, one.port, one.address.find(':') != std::string::npos,
                      one.address);
  };
  for (const Listener& one : found) {
    if (not_its.contains(one)) continue;
    if (!best || rank(one) < rank(*best)) best = one;
  }
  return best;
}

std::vector<Listener> read_listeners() {
  std::vector<Listener> found = parse_listeners(read_start("/proc/net/tcp"));
  std::vector<Listener> six = parse_listeners(read_start("/proc/net/tcp6"));
  found.insert(found.end(), six.begin(), six.end());
  return found;
}

}  // namespace vibed::agent
