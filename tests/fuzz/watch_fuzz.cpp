// The stream of a watch, cut anywhere, is events or an error; whatever they say, the store stays
// whole, and every Status is an Error.
#include "control/lease.hpp"
#include "control/store.hpp"
#include "kube/status.hpp"
#include "support.hpp"

namespace {

using namespace vibed;

void check(const control::Store& store) {
  std::size_t indexed = 0;
  for (const control::Object& object : store.all()) {
    fuzz::fuzz_check(store.find(kube::key_of(*object)) == object, "an object is found by its key");
    for (const auto& found : store.find_by("uid", kube::uid_of(*object))) {
      if (found == object) ++indexed;
    }
  }
  fuzz::fuzz_check(indexed == store.size(), "an object is found by its index");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte says how long the pieces are.
  const std::size_t piece = data[0] + 1U;
  const std::string_view text = fuzz::text_of(data + 1, size - 1);
  kube::WatchParser parser;
  control::Store store({{"uid", [](const kube::Json& object) {
                           return std::vector<std::string>{kube::uid_of(object)};
                         }}});
  store.replace({}, "0");
  std::vector<kube::Json> seen;
  const auto sink = [&](const kube::WatchEvent& event) {
    if (event.type == kube::EventType::error) {
      (void)kube::to_error(kube::status_of(event.object));
      return false;
    }
    (void)kube::to_text(event.object);
    (void)control::lease_record(event.object);
    if (seen.size() < 100) seen.push_back(event.object);
    return !store.apply(event).torn;
  };
  for (std::size_t at = 0; at < text.size(); at += piece) {
    auto more = parser.feed(text.substr(at, piece), sink);
    if (!more || !*more) break;
  }
  check(store);
  store.replace(std::move(seen), "9");
  check(store);
  const kube::ApiStatus status = kube::parse_status(500, text, text.substr(0, 5));
  fuzz::fuzz_check(!kube::to_error(status).message.empty(), "an error has a message");
  fuzz::fuzz_check(kube::to_error(status).message.find('\n') == std::string::npos,
                   "a message is one line");
  return 0;
}
