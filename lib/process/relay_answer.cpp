#include "process/relay_answer.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vibed {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The value of the first header field `name` (lower case) in lower case, or "".
std::string field(std::string_view head, std::string_view name) {
  while (!head.empty()) {
    std::size_t end = head.find('\n');
    std::string line(head.substr(0, end));
    std::transform(line.begin(), line.end(), line.begin(), lower);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':')
      return line.substr(name.size() + 1);
    head = end == std::string_view::npos ? "" : head.substr(end + 1);
  }
  return "";
}

bool wants_json(std::string_view head) {
  std::string accept = field(head, "accept");
  std::size_t json = accept.find("application/json");
  return json != std::string::npos && json < accept.find("text/");
}

}  // namespace

bool head_is_complete(std::string_view received) {
  return received.size() >= kMaxRelayHead || received.find("\r\n\r\n") != std::string_view::npos ||
         received.find("\n\n") != std::string_view::npos;
}

std::string unavailable_response(std::string_view head, const Unavailable& what) {
  bool json = wants_json(head);
  nlohmann::json object = {{"code", what.reason}, {"message", what.message}};
  std::string body =
      json ? object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
           : what.message + "\n";
  std::string text = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {}\r\nX-Vibed-Reason: {}\r\n"
      "Content-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "Connection: close\r\n\r\n",
      what.retry_after, what.reason, json ? "application/json" : "text/plain; charset=utf-8",
      body.size());
  return head.starts_with("HEAD ") ? text : text + body;
}

}  // namespace vibed
