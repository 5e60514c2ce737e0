// The bytes of a connection: the first byte says how large the pieces are they come in. However
// they are cut, the requests are the same, and what smuggles is in none of them.
#include <algorithm>

#include "http/request_parser.hpp"
#include "http/target.hpp"
#include "support.hpp"

namespace {

using vibed::fuzz::fuzz_check;
using vibed::http::Head;
using vibed::http::RequestParser;

constexpr std::size_t kMaxHead = 1024;

void check_head(const Head& head) {
  fuzz_check(!(head.framing.chunked && head.framing.content_length), "one way to say the length");
  int hosts = 0;
  for (const auto& [name, value] : head.fields.all()) {
    fuzz_check(name.find_first_of(" \t\r\n") == name.npos, "a name is one word");
    fuzz_check(value.find_first_of("\r\n") == value.npos, "a value is one line");
    hosts += vibed::http::same_name(name, "host") ? 1 : 0;
  }
  fuzz_check(hosts == 1 || (hosts == 0 && head.minor == 0), "one host");
  auto target = vibed::http::parse_target(head.method, head.target);
  if (target) fuzz_check(target->path == "*" || target->path.front() == '/', "a path is a path");
}

// What the requests are, as text; ends with "!" where the bytes are refused.
class Reader {
 public:
  // False: nothing more will be read.
  bool feed(std::string_view bytes) {
    auto room = parser_.prepare(bytes.size());
    std::copy(bytes.begin(), bytes.end(), room.begin());
    parser_.commit(bytes.size());
    while (step()) {
    }
    return !refused_;
  }
  const std::string& text() const { return text_; }

 private:
  bool step() {
    if (refused_) return false;
    if (!in_body_) {
      auto head = parser_.take_head();
      if (!head) return refuse();
      if (!*head) return false;
      check_head(**head);
      text_ += (*head)->method + " " + (*head)->target + "\n";
      in_body_ = (*head)->has_body();
      return true;
    }
    auto done = parser_.take_body([this](std::string_view bytes) {
      text_ += bytes;
      return vibed::success();
    });
    if (!done) return refuse();
    in_body_ = !*done;
    if (*done) text_ += "\n";
    return *done;
  }
  bool refuse() {
    refused_ = true;
    return false;
  }

  RequestParser parser_{kMaxHead};
  std::string text_;
  bool in_body_ = false;
  bool refused_ = false;
};

std::string read(std::string_view bytes, std::size_t piece) {
  Reader reader;
  for (std::size_t i = 0; i < bytes.size(); i += piece) {
    if (!reader.feed(bytes.substr(i, piece))) break;
  }
  return reader.text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string_view bytes = vibed::fuzz::text_of(data + 1, size - 1);
  std::string whole = read(bytes, bytes.size());
  std::string pieces = read(bytes, data[0] + std::size_t{1});
  // A limit may strike earlier where more arrives at once: one is the beginning of the other.
  std::string_view shorter =
      std::min(whole, pieces, [](const auto& a, const auto& b) { return a.size() < b.size(); });
  fuzz_check(whole.starts_with(shorter) && pieces.starts_with(shorter),
             "pieces give the same requests");
  return 0;
}
