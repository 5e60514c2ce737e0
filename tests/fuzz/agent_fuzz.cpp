// What vibed-agent parses: the inject requests of both contracts, /proc/net/tcp, URLs and
// redirects, an app's output, the head of a request that gets a 503.
#include <string>

#include "agent/inject_request.hpp"
#include "agent/listeners.hpp"
#include "agent/log_ring.hpp"
#include "http/source_url.hpp"
#include "process/relay_answer.hpp"
#include "support.hpp"

namespace {

using namespace vibed;
using namespace vibed::agent;

void parse_requests(std::string_view text) {
  auto push = parse_inject_request(text);
  if (push) fuzz::fuzz_check(push->port >= 0 && push->port <= 65535, "a port is one");
  auto pull = parse_pull_request(text);
  if (!pull) return;
  fuzz::fuzz_check(pull->files.empty() != pull->source_url.empty(), "exactly one of the two");
  for (const auto& [path, content] : pull->files)
    fuzz::fuzz_check(is_inline_path(path) && ("/" + path + "/").find("/../") == std::string::npos,
                     "a path stays inside");
  auto command = derived_command(*pull);
  if (command) fuzz::fuzz_check(!command->empty(), "a command has words");
}

void parse_urls(std::string_view text) {
  auto url = http::parse_source_url(text);
  http::SourceUrl from{"http", "host", "80", "/a/b"};
  auto to = http::follow_redirect(from, text);
  for (const auto* one : {&url, &to}) {
    if (!*one) continue;
    for (const std::string& part : {(*one)->host, (*one)->target})
      fuzz::fuzz_check(part.find_first_of("\r\n ") == std::string::npos,
                       "nothing slips into a request");
    fuzz::fuzz_check((*one)->target.starts_with('/'), "a target is a path");
  }
}

void keep_output(std::string_view text) {
  LogRing ring(20);
  ring.append(LogSource::out, text.substr(0, text.size() / 2), {});
  ring.append(LogSource::out, text.substr(text.size() / 2), {});
  ring.flush({});
  for (const RingLine& line : ring.tail(0))
    fuzz::fuzz_check(line.text.find('\n') == std::string::npos, "a line is one line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  parse_requests(text);
  parse_urls(text);
  keep_output(text);
  for (const Listener& one : parse_listeners(text))
    fuzz::fuzz_check(!one.address.empty(), "an address");
  std::string answer = unavailable_response(text, {"restarting", "later", 1});
  fuzz::fuzz_check(answer.starts_with("HTTP/1.1 503 "), "always a 503");
  return 0;
}
