// A form of any content, with the boundary "xyz": the first byte says how large the pieces are it
// comes in. However it is cut, the parts are the same, and none is outside of the body.
#include "http/multipart.hpp"
#include "support.hpp"

namespace {

using vibed::Result;
using vibed::http::MultipartParser;
using vibed::http::Part;

Result<std::vector<Part>> parse(std::string_view body, std::size_t piece) {
  MultipartParser parser("xyz");
  for (std::size_t i = 0; i < body.size(); i += piece) {
    auto fed = parser.feed(body.substr(i, piece));
    if (!fed) return std::move(fed).error();
  }
  return parser.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using vibed::fuzz::fuzz_check;
  if (size == 0) return 0;
  std::string_view body = vibed::fuzz::text_of(data + 1, size - 1);
  auto whole = parse(body, body.size() + 1);
  auto pieces = parse(body, data[0] + std::size_t{1});
  fuzz_check(whole.ok() == pieces.ok(), "pieces are refused as the whole is");
  if (!whole) return 0;
  fuzz_check(*whole == *pieces, "pieces give the same parts");
  std::uint64_t last = 0;
  for (const Part& part : *whole) {
    fuzz_check(part.offset >= last && part.offset + part.length <= body.size(), "a part is inside");
    last = part.offset + part.length;
    auto content = body.substr(part.offset, part.length);
    fuzz_check(content.find("\r\n--xyz") == content.npos, "a part ends at the next boundary");
  }
  // A Content-Type of any content.
  (void)vibed::http::multipart_boundary(body);
  return 0;
}
