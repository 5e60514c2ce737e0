#include "agent/listeners.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
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
constexpr std::size_t kEnough = 4 * 1024 * 1024;  // some 25,000 connections
constexpr std::size_t kEnoughListeners = 1024;

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

// An IPv4 address that was mapped into IPv6 is told as what it is.
std::string address_text(const std::array<unsigned char, 16>& bytes, bool four) {
  constexpr std::array<unsigned char, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  bool mapped = !four && std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
  const void* at = mapped ? bytes.data() + 12 : bytes.data();
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(four || mapped ? AF_INET : AF_INET6, at, text, sizeof text);
  return text;
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
  return address_text(bytes, hex.size() == 8);
}

std::optional<Listener> listener_in(std::string_view line) {
  auto words = words_of(line);
  if (words.size() < 4 || words[3] != kListening) return std::nullopt;
  std::size_t colon = words[1].find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Listener one{address_text(words[1].substr(0, colon)), 0};
  if (one.address.empty() || !read_hex(words[1].substr(colon + 1), one.port)) return std::nullopt;
  return one;
}

// Takes the whole lines off the front of `text`, the first of all being a heading.
void take_lines(std::string& text, bool& heading, std::vector<Listener>& found) {
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (std::exchange(heading, false)) continue;
    auto one = listener_in(std::string_view(text).substr(begin, end - begin));
    if (one) found.push_back(*std::move(one));
  }
  text.erase(0, begin);
}

void read_file(const char* path, std::vector<Listener>& found) {
  Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
  std::string text;
  bool heading = true;
  std::array<char, 16 * 1024> buffer;
  for (std::size_t done = 0; fd && done < kEnough;) {
    ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
    text.append(buffer.data(), static_cast<std::size_t>(count));
    take_lines(text, heading, found);
  }
}

// Asks for the listening sockets of one address family.
bool ask(int socket, int family) {
  struct {
    nlmsghdr head;
    inet_diag_req_v2 body;
  } request{};
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = static_cast<unsigned char>(family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = 1U << TCP_LISTEN;
  return ::send(socket, &request, sizeof request, 0) == sizeof request;
}

Listener listener_of(const inet_diag_msg& told) {
  std::array<unsigned char, 16> bytes{};
  std::memcpy(bytes.data(), told.id.idiag_src, sizeof told.id.idiag_src);
  return {address_text(bytes, told.idiag_family == AF_INET), ntohs(told.id.idiag_sport)};
}

enum class Told { more, all, nothing };

// Takes one datagram of the kernel's answer.
Told take_answer(int socket, std::vector<Listener>& found) {
  alignas(nlmsghdr) std::array<char, 16 * 1024> buffer;
  ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
  if (count <= 0) return Told::nothing;
  auto left = static_cast<unsigned>(count);
  for (auto* head = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(head, left);
       head = NLMSG_NEXT(head, left)) {
    if (head->nlmsg_type == NLMSG_DONE) return Told::all;
    if (head->nlmsg_type != SOCK_DIAG_BY_FAMILY) return Told::nothing;
    inet_diag_msg told{};
    std::memcpy(&told, NLMSG_DATA(head), sizeof told);
    found.push_back(listener_of(told));
    if (found.size() >= kEnoughListeners) return Told::all;
  }
  return Told::more;
}

}  // namespace

std::string Listener::dial_address() const {
  if (address == "0.0.0.0") return "127.0.0.1";
  return address == "::" ? "::1" : address;
}

std::vector<Listener> parse_listeners(std::string_view text) {
  std::vector<Listener> found;
  std::string rest(text);
  bool heading = true;
  take_lines(rest, heading, found);
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

std::optional<std::vector<Listener>> ask_for_listeners() {
  std::vector<Listener> found;
  for (int family : {AF_INET, AF_INET6}) {
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!socket || !ask(socket.get(), family)) return std::nullopt;
    Told told = Told::more;
    while (told == Told::more) told = take_answer(socket.get(), found);
    if (told == Told::nothing) return std::nullopt;
  }
  return found;
}

std::vector<Listener> read_listeners() {
  if (auto told = ask_for_listeners()) return *std::move(told);
  return read_listener_files();
}

std::vector<Listener> read_listener_files() {
  std::vector<Listener> found;
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) read_file(path, found);
  return found;
}

}  // namespace vibed::agent
