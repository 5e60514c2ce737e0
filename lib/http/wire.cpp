#include "http/wire.hpp"

#include <fmt/format.h>

#include <array>
#include <ctime>

namespace vibed::http {
namespace {

bool is_framing(std::string_view name) {
  return same_name(name, "content-length") || same_name(name, "transfer-encoding") ||
         same_name(name, "connection");
}

void append_clean(std::string& text, std::string_view value) {
  for (char c : value) {
    if (c != '\r' && c != '\n' && c != '\0') text += c;
  }
}

void append_field(std::string& head, std::string_view name, std::string_view value) {
  append_clean(head, name);
  head += ": ";
  append_clean(head, value);
  head += "\r\n";
}

}  // namespace

// strftime's names of days depend on the locale, which is the host program's.
std::string http_date(std::time_t time) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc = {};
  ::gmtime_r(&time, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                     kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

std::string_view status_text(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    default: return "Status";
  }
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string response_head(const Response& response, const Fields& extra,
                          const WireOptions& options) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, status_text(response.status));
  if (!response.headers.has("Date")) append_field(head, "Date", http_date(std::time(nullptr)));
  for (const auto& [name, value] : response.headers.all()) {
    if (!is_framing(name)) append_field(head, name, value);
  }
  for (const auto& [name, value] : extra.all()) {
    if (!response.headers.has(name)) append_field(head, name, value);
  }
  if (options.chunked) head += "Transfer-Encoding: chunked\r\n";
  if (options.content_length)
    head += fmt::format("Content-Length: {}\r\n", *options.content_length);
  if (!options.keep_alive) head += "Connection: close\r\n";
  return head + "\r\n";
}

}  // namespace vibed::http
