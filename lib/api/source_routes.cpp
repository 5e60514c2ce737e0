// GET /internal/sources/<key>.tar.gz: where an agent that pulls gets its source. The key, 128
// random bits, is what gives the right to.
#include <span>

#include "api/routes.hpp"
#include "base/error_codes.hpp"

namespace vibed::api {
namespace {

http::Response not_found() {
  return http::error_response(make_error("not_found", "no such source"));
}

// "<key>.tar.gz" → "<key>", or "" for anything that is not a key.
std::string key_of(std::string_view file) {
  constexpr std::string_view kEnding = ".tar.gz";
  if (!file.ends_with(kEnding)) return "";
  std::string key(file.substr(0, file.size() - kEnding.size()));
  return is_source_key(key) ? key : "";
}

http::Response send_source(SourceStore& sources, const std::string& file) {
  std::string key = key_of(file);
  if (key.empty()) return not_found();
  auto opened = sources.open(key);
  if (!opened) return http::error_response(opened.error());
  std::shared_ptr<ByteSource> bytes = *std::move(opened);
  http::Response response;
  response.headers.set("Content-Type", "application/gzip");
  response.headers.set("Cache-Control", "private, no-store");
  response.stream = [bytes](http::ResponseWriter& writer) {
    std::string piece(64 * 1024, '\0');
    while (true) {
      auto count = bytes->read(std::span<char>(piece));
      // A chunked body that is not ended tells the reader that something is missing.
      if (!count) throw std::runtime_error("read a source: " + count.error().message);
      if (*count == 0 || !writer.write({piece.data(), *count})) return;
    }
  };
  return response;
}

}  // namespace

void add_source_routes(http::Router& router, const SharedContext& context) {
  if (context->options.sources == nullptr) return;
  router.add("GET", "/internal/sources/{file}", [context](http::Request& request) {
    return send_source(*context->options.sources, request.parameters["file"]);
  });
}

}  // namespace vibed::api
