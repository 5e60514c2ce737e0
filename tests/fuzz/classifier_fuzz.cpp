// Any listing is classified, the same way from front and back, and its start plan is a command or
// an error.
//
// The input: lines of paths, an empty line, then package.json and every other text at once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "vibed/agent.hpp"
#include "vibed/classifier.hpp"

namespace {

vibed::Listing listing_of(std::string_view text) {
  vibed::Listing listing;
  while (!text.empty()) {
    auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) break;
    vibed::ArchiveEntry entry{.path = std::string(line)};
    entry.executable = line.size() % 7 == 3;
    if (line.ends_with('/')) entry.type = vibed::EntryType::directory;
    listing.entries.push_back(std::move(entry));
  }
  listing.package_json = text;
  return listing;
}

void require(bool condition) {
  if (!condition) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vibed::Listing listing = listing_of({reinterpret_cast<const char*>(data), size});
  auto found = vibed::classify(listing);
  require(found.rule >= 1 && found.rule <= 8 && !found.reason.empty());
  vibed::Listing backwards = listing;
  std::reverse(backwards.entries.begin(), backwards.entries.end());
  require(vibed::classify(backwards) == found);
  (void)vibed::to_json(found);

  vibed::StartPlanInput input;
  input.entries = listing.entries;
  input.template_name = size % 2 == 0 ? found.template_name : "base-al2023";
  for (const auto& path : vibed::start_plan_texts(input.entries)) {
    input.texts[path] = listing.package_json;
  }
  auto plan = vibed::start_plan(input);
  require(plan ? !plan->argv.empty() : plan.error().reason == "no_start_command");
  return 0;
}
