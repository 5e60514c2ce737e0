#include "http/head_rules.hpp"

#include <algorithm>
#include <charconv>

#include "base/error_codes.hpp"
#include "http/message.hpp"

namespace vibed::http {
namespace {

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != kMarks.npos;
  });
}

bool is_control(char c) {
  auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

bool is_host(std::string_view text) {
  constexpr std::string_view kMarks = "-._~!$&'()*+,;=:[]%";
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != kMarks.npos;
  });
}

// "GET /x HTTP/1.1"; the minor version, or an error.
Result<int> check_request_line(std::string_view line) {
  std::size_t first = line.find(' ');
  std::size_t last = line.rfind(' ');
  if (first == line.npos || first == last) return bad_request("the request line is malformed");
  std::string_view target = line.substr(first + 1, last - first - 1);
  std::string_view version = line.substr(last + 1);
  if (!is_token(line.substr(0, first))) return bad_request("the method is malformed");
  bool printable = !target.empty() && std::all_of(target.begin(), target.end(),
                                                  [](char c) { return c > 0x20 && c < 0x7f; });
  if (!printable) return bad_request("the request target has characters that must be escaped");
  if (version == "HTTP/1.1") return 1;
  if (version == "HTTP/1.0") return 0;
  return bad_request("the version is not HTTP/1.0 or HTTP/1.1");
}

struct Seen {
  int hosts = 0;
  int codings = 0;
  bool close = false;
};

Status read_length(std::string_view value, Framing& framing) {
  if (framing.content_length) return bad_request("more than one Content-Length");
  std::uint64_t length = 0;
  bool digits = !value.empty() && value.find_first_not_of("0123456789") == value.npos;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (!digits || error != std::errc()) return bad_request("Content-Length is not a number");
  framing.content_length = length;
  return success();
}

bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    std::size_t comma = list.find(',');
    if (same_name(trim(list.substr(0, comma)), word)) return true;
    list = comma == list.npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

Status read_field(std::string_view name, std::string_view value, Framing& framing, Seen& seen) {
  if (same_name(name, "content-length")) return read_length(value, framing);
  if (same_name(name, "transfer-encoding")) {
    ++seen.codings;
    if (!same_name(value, "chunked")) return bad_request("the only Transfer-Encoding is chunked");
    framing.chunked = true;
  } else if (same_name(name, "host")) {
    ++seen.hosts;
    if (!is_host(value)) return bad_request("Host is malformed");
  } else if (same_name(name, "connection")) {
    seen.close = seen.close || has_word(value, "close");
  } else if (same_name(name, "expect")) {
    if (!same_name(value, "100-continue")) return bad_request("the only Expect is 100-continue");
    framing.expect_continue = true;
  }
  return success();
}

Status check_line(std::string_view line, Framing& framing, Seen& seen) {
  if (line.front() == ' ' || line.front() == '\t')
    return bad_request("a header is folded over two lines");
  std::size_t colon = line.find(':');
  if (colon == line.npos) return bad_request("a header has no colon");
  if (!is_token(line.substr(0, colon))) return bad_request("a header's name is malformed");
  return read_field(line.substr(0, colon), trim(line.substr(colon + 1)), framing, seen);
}

}  // namespace

Error bad_request(const char* what) { return make_error("bad_request", what); }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Result<Framing> check_head(std::string_view head) {
  Framing framing;
  Seen seen;
  int minor = -1;
  while (true) {
    std::size_t end = head.find("\r\n");
    if (end == head.npos) return bad_request("a line does not end in CRLF");
    std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (std::any_of(line.begin(), line.end(), is_control)) {
      return bad_request("the head has a control character");
    }
    if (line.empty()) break;
    if (minor < 0) {
      auto version = check_request_line(line);
      if (!version) return std::move(version).error();
      minor = *version;
      continue;
    }
    auto checked = check_line(line, framing, seen);
    if (!checked) return std::move(checked).error();
  }
  if (minor < 0 || !head.empty()) return bad_request("the request line is missing");
  if (framing.chunked && framing.content_length) {
    return bad_request("Content-Length and Transfer-Encoding together");
  }
  if (seen.codings > 1 || (framing.chunked && minor == 0))
    return bad_request("bad_request Transfer-Encoding");
  if (seen.hosts > 1 || (seen.hosts == 0 && minor == 1))
    return bad_request("there must be one Host");
  framing.keep_alive = minor == 1 && !seen.close;
  framing.expect_continue = framing.expect_continue && minor == 1;
  return framing;
}

}  // namespace vibed::http
