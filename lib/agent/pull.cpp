#include "agent/pull.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

#include <fmt/format.h>

namespace vibed::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostRedirects = 10;
constexpr std::size_t kLongestHead = 64 * 1024;

Error bad(std::string message) { return {Errc::invalid_argument, std::move(message)}; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// A connection whose every wait ends at the deadline.
class Line {
 public:
  Line(Fd fd, Clock::time_point deadline, const PullOptions& options)
      : fd_(std::move(fd)), deadline_(deadline), options_(options) {}

  Status connect(const sockaddr* address, socklen_t size) {
    if (::connect(fd_.get(), address, size) == 0) return success();
    if (errno != EINPROGRESS) return errno_error("connect");
    auto until = std::min(deadline_, Clock::now() + options_.connect_timeout);
    Status ready = wait(POLLOUT, until);
    if (!ready) return ready;
    int number = 0;
    socklen_t length = sizeof number;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &number, &length);
    if (number != 0) return errno_error("connect", number);
    return success();
  }

  Status send(std::string_view text) {
    while (!text.empty()) {
      ssize_t count = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (count > 0) {
        text.remove_prefix(static_cast<std::size_t>(count));
      } else if (errno != EAGAIN) {
        return errno_error("send the request");
      } else if (Status ready = wait(POLLOUT, deadline_); !ready) {
        return ready;
      }
    }
    return success();
  }

  // Adds what comes next to `text`; false at the end.
  Result<bool> receive(std::string& text) {
    std::array<char, 16 * 1024> buffer;
    for (;;) {
      ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (count == 0) return false;
      if (count > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(count));
        return true;
      }
      if (errno != EAGAIN && errno != EINTR) return errno_error("read the answer");
      Status ready = wait(POLLIN, deadline_);
      if (!ready) return std::move(ready).error();
    }
  }

 private:
  Status wait(short events, Clock::time_point until) {
    for (;;) {
      auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
      if (left <= 0) return Error{Errc::deadline_exceeded, "the source's server took too long"};
      if (options_.stop && options_.stop()) return Error{Errc::cancelled, "the client hung up"};
      pollfd one{fd_.get(), events, 0};
      if (::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left, 500))) > 0)
        return success();
    }
  }

  Fd fd_;
  Clock::time_point deadline_;
  const PullOptions& options_;
};

Result<Line> dial(const SourceUrl& url, Clock::time_point deadline, const PullOptions& options) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  int failed = ::getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &list);
  if (failed != 0)
    return Error{Errc::unavailable, "look up " + url.host + ": " + ::gai_strerror(failed)};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  Error last{Errc::unavailable, "no address for " + url.host};
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    if (!options.allowed(*one->ai_addr)) {
      char text[NI_MAXHOST] = "";
      ::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
      last = bad(fmt::format("source dial to {} is not allowed", text));
      continue;
    }
    Fd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    Line line(std::move(fd), deadline, options);
    Status connected = line.connect(one->ai_addr, one->ai_addrlen);
    if (connected) return line;
    last = std::move(connected).error();
  }
  return last;
}

struct Head {
  int status = 0;
  std::string status_line;  // "404 Not Found"
  std::string location;
  bool chunked = false;
  std::optional<std::uint64_t> length;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

template <class Number>
bool read_number(std::string_view text, Number& value, int base) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

Result<Head> parse_head(std::string_view text) {
  Head head;
  std::size_t end = text.find('\n');
  std::string_view first = trimmed(text.substr(0, end));
  if (!first.starts_with("HTTP/1.") || first.size() < 12 ||
      !read_number(first.substr(9, 3), head.status, 10))
    return Error{Errc::unavailable, "fetch source: not an HTTP answer"};
  head.status_line = std::string(first.substr(9));
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find('\n');
    std::string_view line = text.substr(0, end);
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string name = lower(line.substr(0, colon));
    std::string_view value = trimmed(line.substr(colon + 1));
    std::uint64_t number = 0;
    if (name == "location") head.location = std::string(value);
    if (name == "transfer-encoding" && lower(value) == "chunked") head.chunked = true;
    if (name == "content-length" && read_number(value, number, 10)) head.length = number;
  }
  return head;
}

Result<Fd> spool_file(const std::string& folder) {
  Fd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  std::string name = folder + "/vibed-pull-XXXXXX";
  fd = Fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) return errno_error("make a file in " + folder);
  ::unlink(name.c_str());
  return fd;
}

// The body of an answer on its way to the file.
class Body {
 public:
  Body(Line& line, std::string start, const PullOptions& options)
      : line_(line), buffer_(std::move(start)), options_(options) {}

  Result<Pulled> take(const Head& head) {
    auto file = spool_file(options_.spool_directory);
    if (!file) return std::move(file).error();
    pulled_.file = *std::move(file);
    Status done = head.chunked ? take_chunks() : take_plain(head.length);
    if (!done) return std::move(done).error();
    return std::move(pulled_);
  }

 private:
  Status take_plain(std::optional<std::uint64_t> length) {
    std::uint64_t left = length.value_or(UINT64_MAX);
    while (left > 0 && !full()) {
      if (buffer_.empty()) {
        auto more = line_.receive(buffer_);
        if (!more) return std::move(more).error();
        if (!*more) break;  // short of its length: the archive shows it
      }
      Status kept = keep(std::min<std::uint64_t>(left, buffer_.size()), left);
      if (!kept) return kept;
    }
    return success();
  }

  Status take_chunks() {
    while (!full()) {
      auto line = next_line();
      if (!line) return std::move(line).error();
      std::uint64_t left = 0;
      if (!read_number(line->substr(0, line->find_first_of("; ")), left, 16))
        return Error{Errc::unavailable, "fetch source: a malformed chunk"};
      if (left == 0) break;
      Status taken = take_plain(left);
      if (!taken) return taken;
      auto end = next_line();
      if (!end) return std::move(end).error();
    }
    return success();
  }

  Result<std::string> next_line() {
    std::size_t end = std::string::npos;
    while ((end = buffer_.find('\n')) == std::string::npos) {
      auto more = line_.receive(buffer_);
      if (!more) return std::move(more).error();
      if (!*more) return Error{Errc::unavailable, "fetch source: the answer was cut off"};
    }
    std::string line(trimmed(std::string_view(buffer_).substr(0, end)));
    buffer_.erase(0, end + 1);
    return line;
  }

  bool full() const { return pulled_.size >= options_.max_bytes; }

  Status keep(std::uint64_t count, std::uint64_t& left) {
    auto size = static_cast<std::size_t>(count);
    std::size_t wanted = std::min<std::size_t>(size, options_.max_bytes - pulled_.size);
    std::size_t done = 0;
    while (done < wanted) {
      ssize_t written = ::write(pulled_.file.get(), buffer_.data() + done, wanted - done);
      if (written < 0) return errno_error("keep the source");
      done += static_cast<std::size_t>(written);
    }
    pulled_.size += wanted;
    buffer_.erase(0, size);
    left -= count;
    return success();
  }

  Line& line_;
  std::string buffer_;
  const PullOptions& options_;
  Pulled pulled_;
};

struct Answer {
  std::optional<Pulled> pulled;
  std::string location;  // of a redirect
};

Result<Answer> fetch_once(const SourceUrl& url, Clock::time_point deadline,
                          const PullOptions& options) {
  if (url.scheme == "https")
    return bad("source url scheme \"https\" is not supported by this agent; push the source");
  auto line = dial(url, deadline, options);
  if (!line) return std::move(line).error();
  bool six = url.host.find(':') != std::string::npos;
  Status sent = line->send(
      fmt::format("GET {} HTTP/1.1\r\nHost: {}{}{}:{}\r\nUser-Agent: vibed-agent\r\nAccept: */*\r\n"
                  "Connection: close\r\n\r\n",
                  url.target, six ? "[" : "", url.host, six ? "]" : "", url.port));
  if (!sent) return std::move(sent).error();
  std::string text;
  std::size_t end = std::string::npos;
  while ((end = text.find("\r\n\r\n")) == std::string::npos) {
    if (text.size() > kLongestHead) return bad("fetch source: the answer's head is too long");
    auto more = line->receive(text);
    if (!more) return std::move(more).error();
    if (!*more) return Error{Errc::unavailable, "fetch source: no answer"};
  }
  auto head = parse_head(std::string_view(text).substr(0, end));
  if (!head) return std::move(head).error();
  constexpr std::array kRedirects = {301, 302, 303, 307, 308};
  if (std::find(kRedirects.begin(), kRedirects.end(), head->status) != kRedirects.end())
    return Answer{std::nullopt, head->location};
  if (head->status < 200 || head->status > 299)
    return bad("fetch source: HTTP " + head->status_line);
  auto pulled = Body(*line, text.substr(end + 4), options).take(*head);
  if (!pulled) return std::move(pulled).error();
  return Answer{*std::move(pulled), ""};
}

bool is_clean(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != 127; });
}

}  // namespace

Result<SourceUrl> parse_source_url(std::string_view text) {
  SourceUrl url;
  std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || !is_clean(text)) return bad("source url is not a URL");
  url.scheme = lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https")
    return bad("source url scheme \"" + url.scheme + "\" is not allowed (http or https only)");
  text.remove_prefix(colon + 3);
  std::size_t slash = std::min(text.find_first_of("/?#"), text.size());
  std::string_view authority = text.substr(0, slash);
  std::string_view rest = text.substr(slash);
  rest = rest.substr(0, rest.find('#'));
  if (!rest.starts_with('/')) url.target = "/";
  url.target += rest;
  authority.remove_prefix(authority.rfind('@') + 1);  // npos + 1 is 0
  std::size_t close = authority.starts_with('[') ? authority.find(']') : 0;
  if (close == std::string_view::npos) return bad("source url has a malformed host");
  std::size_t port = authority.find(':', close);
  url.host = std::string(close > 0 ? authority.substr(1, close - 1) : authority.substr(0, port));
  url.port = port == std::string_view::npos ? (url.scheme == "http" ? "80" : "443")
                                            : std::string(authority.substr(port + 1));
  std::uint16_t number = 0;
  if (url.host.empty() || !read_number(url.port, number, 10) || number == 0)
    return bad("source url has a malformed host or port");
  return url;
}

Result<SourceUrl> follow_redirect(const SourceUrl& from, std::string_view location) {
  if (location.empty()) return bad("fetch source: a redirect to nowhere");
  if (location.find("://") != std::string_view::npos) return parse_source_url(location);
  if (location.starts_with("//"))
    return parse_source_url(from.scheme + ":" + std::string(location));
  if (!is_clean(location)) return bad("source url is not a URL");
  SourceUrl to = from;
  std::string_view path = std::string_view(from.target).substr(0, from.target.find('?'));
  bool absolute = location.front() == '/';
  to.target = fmt::format("{}{}", absolute ? "" : path.substr(0, path.rfind('/') + 1), location);
  return to;
}

bool may_dial(const sockaddr& address) {
  in6_addr six{};
  std::uint32_t four = 0;
  if (address.sa_family == AF_INET) {
    four = ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr);
  } else if (address.sa_family == AF_INET6) {
    six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(&six) || IN6_IS_ADDR_UNSPECIFIED(&six) || IN6_IS_ADDR_LINKLOCAL(&six))
      return false;
    in6_addr metadata{};
    ::inet_pton(AF_INET6, "fd00:ec2::254", &metadata);
    if (std::memcmp(&six, &metadata, sizeof six) == 0) return false;
    if (!IN6_IS_ADDR_V4MAPPED(&six) && !IN6_IS_ADDR_V4COMPAT(&six)) return true;
    std::memcpy(&four, six.s6_addr + 12, 4);
    four = ntohl(four);
  } else {
    return false;
  }
  bool loopback = (four >> 24) == 127;
  bool here = (four >> 24) == 0;
  bool link_local = (four >> 16) == 0xa9fe;
  return !loopback && !here && !link_local;
}

Result<Pulled> pull_source(const std::string& text, const PullOptions& options) {
  auto deadline = Clock::now() + options.timeout;
  auto url = parse_source_url(text);
  for (int hops = 0; url && hops <= kMostRedirects; ++hops) {
    auto answer = fetch_once(*url, deadline, options);
    if (!answer) return std::move(answer).error();
    if (answer->pulled) return *std::move(answer->pulled);
    url = follow_redirect(*url, answer->location);
  }
  if (!url) return std::move(url).error();
  return bad("fetch source: stopped after 10 redirects");
}

}  // namespace vibed::agent
