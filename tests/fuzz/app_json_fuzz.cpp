// Any text is an App that survives its own JSON, or an error.
#include "support.hpp"
#include "vibed/app.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using vibed::fuzz::fuzz_check;
  auto app = vibed::app_from_json(vibed::fuzz::text_of(data, size));
  if (!app) {
    fuzz_check(app.error().code == vibed::Errc::invalid_argument, "an error is the input's");
    return 0;
  }
  auto again = vibed::app_from_json(vibed::to_json(*app));
  fuzz_check(again.ok(), "what was written can be read");
  // Once, because reading drops what the wire does not keep: fractions of seconds.
  auto third = vibed::app_from_json(vibed::to_json(*again));
  fuzz_check(third && *third == *again, "and is the same");
  return 0;
}
