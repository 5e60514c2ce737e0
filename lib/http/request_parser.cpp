// The only file that sees Beast: its parser takes heads and chunked bodies apart, after
// head_rules.cpp has refused what two parsers could understand differently.
#include "http/request_parser.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstring>
#include <limits>

#include "base/error_codes.hpp"

namespace vibed::http {
namespace {

namespace beast_http = boost::beast::http;
using Parser = beast_http::request_parser<beast_http::buffer_body>;

Head to_head(const Parser& parser, const Framing& framing) {
  const auto& message = parser.get();
  Head head;
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  head.minor = message.version() == 10 ? 0 : 1;
  head.framing = framing;
  for (const auto& field : message) {
    head.fields.add(std::string(field.name_string()), std::string(field.value()));
  }
  return head;
}

bool has_bare_newline(std::string_view text) {
  for (std::size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') return true;
  }
  return false;
}

}  // namespace

struct RequestParser::State {
  explicit State(std::size_t limit) : max_head_bytes(limit) {}

  const std::size_t max_head_bytes;
  std::string buffer;
  std::size_t begin = 0;    // what is before has been used up
  std::size_t end = 0;      // what is behind has not arrived
  std::size_t scanned = 0;  // from `begin`: no end of the head is there
  std::optional<Parser> parser = {};

  std::string_view arrived() const { return {buffer.data() + begin, end - begin}; }

  void consume(std::size_t count) {
    begin += count;
    scanned = 0;
    if (begin != end) return;
    begin = end = 0;
    // An idle connection costs no buffer.
    if (buffer.capacity() > 1024) std::string().swap(buffer);
  }
};

RequestParser::RequestParser(std::size_t max_head_bytes)
    : state_(std::make_unique<State>(max_head_bytes)) {}
RequestParser::~RequestParser() = default;

std::span<char> RequestParser::prepare(std::size_t size) {
  State& s = *state_;
  if (s.begin > 0) {
    std::memmove(s.buffer.data(), s.buffer.data() + s.begin, s.end - s.begin);
    s.end -= s.begin;
    s.begin = 0;
  }
  if (s.buffer.size() < s.end + size) s.buffer.resize(s.end + size);
  return {s.buffer.data() + s.end, s.buffer.size() - s.end};
}

void RequestParser::commit(std::size_t size) { state_->end += size; }

bool RequestParser::empty() const { return state_->begin == state_->end; }

Result<std::optional<Head>> RequestParser::take_head() {
  State& s = *state_;
  // Old clients send an empty line behind a body; RFC 9112 2.2 asks servers to skip it.
  while (s.arrived().starts_with("\r\n")) s.consume(2);
  std::size_t from = s.scanned < 3 ? 0 : s.scanned - 3;
  std::size_t found = s.arrived().find("\r\n\r\n", from);
  s.scanned = s.arrived().size();
  std::size_t size = found == std::string_view::npos ? s.scanned : found + 4;
  if (size > s.max_head_bytes) {
    return make_error("headers_too_large", "the request's head is too large");
  }
  if (found == std::string_view::npos) return std::optional<Head>();
  auto framing = check_head(s.arrived().substr(0, size));
  if (!framing) return std::move(framing).error();

  s.parser.emplace();
  s.parser->header_limit(std::numeric_limits<std::uint32_t>::max());
  s.parser->body_limit(boost::none);
  boost::system::error_code error;
  std::size_t used = s.parser->put(boost::asio::buffer(s.arrived().data(), size), error);
  if (error || used != size || !s.parser->is_header_done()) {
    return make_error("bad_request", "the head is malformed: " + error.message());
  }
  Head head = to_head(*s.parser, *framing);
  s.consume(used);
  return std::optional<Head>(std::move(head));
}

Result<bool> RequestParser::take_body(const ByteSink& sink) {
  State& s = *state_;
  std::array<char, 16 * 1024> piece;
  while (!s.parser->is_done() && !empty()) {
    auto& body = s.parser->get().body();
    body.data = piece.data();
    body.size = piece.size();
    body.more = true;
    boost::system::error_code error;
    auto bytes = s.arrived();
    std::size_t used = s.parser->put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    bool starved = error == beast_http::error::need_more;
    if (error && !starved && error != beast_http::error::need_buffer) {
      return make_error("bad_request", "the body is malformed: " + error.message());
    }
    s.consume(used);
    if (body.size < piece.size()) {
      auto taken = sink({piece.data(), piece.size() - body.size});
      if (!taken) return std::move(taken).error();
    }
    if (!starved) continue;
    // What the parser waits for is the end of a chunk's header or of the trailer.
    if (s.arrived().size() > s.max_head_bytes || has_bare_newline(s.arrived())) {
      return make_error("bad_request", "a chunk's header or the trailer is malformed");
    }
    return false;
  }
  bool done = s.parser->is_done();
  if (done) s.parser.reset();
  return done;
}

}  // namespace vibed::http
