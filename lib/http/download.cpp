#include "http/download.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <cctype>
#include <random>
#include <thread>

#include "base/error_codes.hpp"
#include "http/download_get.hpp"

namespace vibed::http {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kMostRedirects = 3;

Result<Fd> spool_file(const std::string& folder) {
  Fd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  std::string name = folder + "/vibed-pull-XXXXXX";
  fd = Fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) return errno_error("make a file in " + folder);
  ::unlink(name.c_str());
  return fd;
}

bool is_redirect(int status) {
  constexpr std::array kRedirects = {301, 302, 303, 307, 308};
  return std::find(kRedirects.begin(), kRedirects.end(), status) != kRedirects.end();
}

// Our words for the status, not the server's, which could repeat what it was sent.
Error status_error(const DownloadAnswer& answer) {
  namespace beast = boost::beast::http;
  std::string_view words =
      beast::obsolete_reason(beast::int_to_status(static_cast<unsigned>(answer.status)));
  std::string said = store_error(answer.text);
  std::string message = fmt::format("fetch source: HTTP {} {}{}{}", answer.status, words,
                                    said.empty() ? "" : ": ", said);
  Errc code = Errc::invalid_argument;
  if (answer.status == 403) code = Errc::permission_denied;
  if (answer.status == 404) code = Errc::not_found;
  if (answer.status == 429 || answer.status >= 500) code = Errc::unavailable;
  return {code, std::move(message)};
}

// The source, from wherever the redirects lead.
Result<std::uint64_t> follow(SourceUrl url, int file, const DownloadOptions& options,
                             Clock::time_point deadline) {
  for (int hops = 0; hops <= kMostRedirects; ++hops) {
    auto answer = get(url, file, options, deadline);
    if (!answer) return std::move(answer).error();
    if (answer->status >= 200 && answer->status <= 299) return answer->size;
    if (!is_redirect(answer->status)) return status_error(*answer);
    auto next = follow_redirect(url, answer->location);
    if (!next) return std::move(next).error();
    url = *std::move(next);
  }
  return Error{Errc::invalid_argument,
               fmt::format("fetch source: stopped after {} redirects", kMostRedirects)};
}

// Half of the time is left to chance, so that many agents do not come back at once.
milliseconds pause_before(int attempt, milliseconds first) {
  auto whole = first * (1 << std::min(attempt - 1, 10));
  std::random_device random;
  return whole / 2 + milliseconds(random() % static_cast<unsigned>(whole.count() / 2 + 1));
}

// False: it is no use to go on.
bool pause(milliseconds length, const DownloadOptions& options, Clock::time_point deadline) {
  auto until = Clock::now() + length;
  if (until >= deadline) return false;
  while (Clock::now() < until) {
    if (options.stop && options.stop()) return false;
    std::this_thread::sleep_for(std::min<Clock::duration>(kLook, until - Clock::now()));
  }
  return true;
}

bool is_code_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

}  // namespace

std::string store_error(std::string_view body) {
  constexpr std::string_view kOpen = "<Code>";
  std::size_t begin = body.find(kOpen);
  if (begin == std::string_view::npos) return "";
  body.remove_prefix(begin + kOpen.size());
  while (!body.empty() && std::isspace(static_cast<unsigned char>(body.front())) != 0)
    body.remove_prefix(1);
  auto end = std::find_if_not(body.begin(), body.end(), is_code_char);
  std::string code(body.begin(), end);
  if (code.empty() || code.size() > 64) return "";
  bool expired = code.find("Expired") != std::string::npos ||
                 (code == "AccessDenied" && body.find("expired") != std::string_view::npos);
  return expired ? code + ", the URL has expired" : code;
}

Result<Downloaded> download(const std::string& text, const DownloadOptions& options) {
  auto deadline = Clock::now() + options.timeout;
  auto url = parse_source_url(text);
  if (!url) return std::move(url).error();
  auto file = spool_file(options.spool_directory);
  if (!file) return std::move(file).error();
  for (int attempt = 1;; ++attempt) {
    auto size = follow(*url, file->get(), options, deadline);
    if (size) return Downloaded{*std::move(file), *size};
    bool again = size.error().code == Errc::unavailable && attempt < options.attempts;
    if (!again || !pause(pause_before(attempt, options.retry_pause), options, deadline))
      return std::move(size).error();
  }
}

}  // namespace vibed::http
