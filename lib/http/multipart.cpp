#include "http/multipart.hpp"

#include <algorithm>
#include <map>
#include <span>

#include "base/error_codes.hpp"
#include "http/head_rules.hpp"
#include "http/message.hpp"

namespace vibed::http {
namespace {

Error bad_multipart(const char* what) { return make_error("bad_multipart", what); }

// The text of a quoted string that begins at `text`, which goes on behind it. Only \" and \\ are
// escapes: old browsers send Windows paths as they are.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string value;
  for (std::size_t i = 1; i < text.size(); ++i) {
    bool escape =
        text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return value;
    }
    if (escape) ++i;
    value += text[i];
  }
  return std::nullopt;
}

struct Value {
  std::string_view first;                         // "form-data"
  std::map<std::string, std::string> parameters;  // names in lower case
};

// "form-data; name=\"a\"; filename=b"; nothing if it is malformed or names a parameter twice.
std::optional<Value> parse_value(std::string_view text) {
  Value value;
  std::size_t semicolon = text.find(';');
  value.first = trim(text.substr(0, semicolon));
  while (semicolon != text.npos) {
    text = trim(text.substr(semicolon + 1));
    if (text.empty()) break;
    std::size_t equals = text.find('=');
    if (equals == text.npos) return std::nullopt;
    std::string name(trim(text.substr(0, equals)));
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    text = trim(text.substr(equals + 1));
    std::string content;
    if (text.starts_with('"')) {
      auto quoted = take_quoted(text);
      if (!quoted || (!trim(text).empty() && !trim(text).starts_with(';'))) return std::nullopt;
      content = std::move(*quoted);
    } else {
      content = std::string(trim(text.substr(0, text.find(';'))));
    }
    if (name.empty() || !value.parameters.emplace(name, content).second) return std::nullopt;
    semicolon = text.find(';');
  }
  return value;
}

Status read_disposition(std::string_view text, Part& part) {
  auto value = parse_value(text);
  if (!value || !same_name(value->first, "form-data")) {
    return bad_multipart("a part's Content-Disposition is not form-data");
  }
  if (!value->parameters.contains("name")) return bad_multipart("a part has no name");
  part.name = value->parameters["name"];
  // filename* is not for forms (RFC 7578 4.2) but sent all the same; that it is a file counts.
  for (const char* key : {"filename*", "filename"}) {
    if (value->parameters.contains(key)) part.filename = value->parameters[key];
  }
  return success();
}

bool is_harmless(std::string_view encoding) {
  return same_name(encoding, "binary") || same_name(encoding, "8bit") ||
         same_name(encoding, "7bit");
}

// `headers`: the lines of a part's head, each with its CRLF.
Result<Part> parse_headers(std::string_view headers) {
  Part part;
  bool disposed = false;
  while (!headers.empty()) {
    std::size_t end = headers.find("\r\n");
    std::string_view line = headers.substr(0, end);
    headers.remove_prefix(end + 2);
    bool control = std::any_of(line.begin(), line.end(), [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    });
    std::size_t colon = line.find(':');
    if (control || colon == 0 || colon == line.npos || line.front() == ' ' ||
        line.front() == '\t' || line[colon - 1] == ' ') {
      return bad_multipart("a part's header is malformed");
    }
    std::string_view name = line.substr(0, colon);
    std::string_view value = trim(line.substr(colon + 1));
    if (same_name(name, "content-disposition")) {
      if (disposed) return bad_multipart("a part has two Content-Dispositions");
      disposed = true;
      auto read = read_disposition(value, part);
      if (!read) return std::move(read).error();
    } else if (same_name(name, "content-type")) {
      part.content_type = std::string(value);
    } else if (same_name(name, "content-transfer-encoding") && !is_harmless(value)) {
      return bad_multipart("a part is encoded; send it as it is");
    }
  }
  if (!disposed) return bad_multipart("a part has no Content-Disposition");
  return part;
}

}  // namespace

Result<std::string> multipart_boundary(std::string_view content_type) {
  constexpr std::string_view kMarks = "'()+_,-./:=? ";
  auto value = parse_value(content_type);
  if (!value || !same_name(value->first, "multipart/form-data")) {
    return bad_multipart("the Content-Type is not multipart/form-data");
  }
  const std::string& boundary = value->parameters["boundary"];
  bool good = !boundary.empty() && boundary.size() <= 70 && boundary.back() != ' ' &&
              std::all_of(boundary.begin(), boundary.end(), [&](char c) {
                return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       kMarks.find(c) != kMarks.npos;
              });
  if (!good) return bad_multipart("the Content-Type has no proper boundary");
  return boundary;
}

MultipartParser::MultipartParser(std::string_view boundary, MultipartLimits limits)
    : delimiter_("\r\n--" + std::string(boundary)), limits_(limits) {}

void MultipartParser::consume(std::size_t count) {
  begin_ += count;
  offset_ += count;
}

Status MultipartParser::feed(std::string_view bytes) {
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_ += bytes;
  while (true) {
    auto next = step();
    if (!next) return std::move(next).error();
    if (*next == Step::starved) return success();
  }
}

Result<MultipartParser::Step> MultipartParser::step() {
  switch (state_) {
    case State::start: return step_start();
    case State::boundary_end: return step_boundary_end();
    case State::headers: return step_headers();
    case State::content: return step_content();
    case State::closed: return step_closed();
  }
  return Step::starved;
}

Result<MultipartParser::Step> MultipartParser::step_start() {
  std::string_view first = std::string_view(delimiter_).substr(2);
  if (!first.starts_with(rest().substr(0, first.size()))) {
    return bad_multipart("the body does not begin with the boundary");
  }
  if (rest().size() < first.size()) return Step::starved;
  consume(first.size());
  state_ = State::boundary_end;
  return Step::more;
}

Result<MultipartParser::Step> MultipartParser::step_boundary_end() {
  if (rest().size() < 2) return Step::starved;
  bool last = rest().starts_with("--");
  if (!last && !rest().starts_with("\r\n"))
    return bad_multipart("a boundary's line goes on behind it");
  consume(2);
  state_ = last ? State::closed : State::headers;
  return Step::more;
}

Result<MultipartParser::Step> MultipartParser::step_headers() {
  std::size_t end = rest().find("\r\n\r\n");
  std::size_t size = std::min(end, rest().size());
  if (size > limits_.header_bytes) return bad_multipart("a part's headers are too long");
  if (end == std::string_view::npos) return Step::starved;
  if (parts_.size() >= limits_.parts) return bad_multipart("there are too many parts");
  auto part = parse_headers(rest().substr(0, end + 2));
  if (!part) return std::move(part).error();
  consume(end + 4);
  part->offset = offset_;
  parts_.push_back(*std::move(part));
  state_ = State::content;
  return Step::more;
}

Result<MultipartParser::Step> MultipartParser::step_content() {
  std::size_t found = rest().find(delimiter_);
  if (found == std::string_view::npos) {
    // The end of what is here may be the beginning of a boundary.
    std::size_t keep = delimiter_.size() - 1;
    if (rest().size() > keep) consume(rest().size() - keep);
    return Step::starved;
  }
  parts_.back().length = offset_ + found - parts_.back().offset;
  consume(found + delimiter_.size());
  state_ = State::boundary_end;
  return Step::more;
}

Result<MultipartParser::Step> MultipartParser::step_closed() {
  if (!std::string_view("\r\n").starts_with(rest()))
    return bad_multipart("there is something behind the last part");
  return Step::starved;
}

Result<std::vector<Part>> MultipartParser::finish() {
  if (state_ != State::closed || rest() == "\r")
    return bad_multipart("the body ends before its last boundary");
  return std::move(parts_);
}

Result<std::vector<Part>> read_multipart(std::string_view content_type, ByteSource& body,
                                         MultipartLimits limits) {
  auto boundary = multipart_boundary(content_type);
  if (!boundary) return std::move(boundary).error();
  MultipartParser parser(*boundary, limits);
  std::string piece(64 * 1024, '\0');
  while (true) {
    auto count = body.read(std::span<char>(piece));
    if (!count) return std::move(count).error();
    if (*count == 0) return parser.finish();
    auto fed = parser.feed(std::string_view(piece).substr(0, *count));
    if (!fed) return std::move(fed).error();
  }
}

}  // namespace vibed::http
