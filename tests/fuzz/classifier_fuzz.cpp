// Any package.json and any names: classify never fails, and the order of the entries does not
// matter. Up to the first NUL it is package.json, then a name a line; one that ends in '/' is a
// folder.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "archive/path.hpp"
#include "support.hpp"
#include "vibed/classifier.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vibed;
  using fuzz::fuzz_check;
  std::vector<std::string_view> parts = fuzz::split(fuzz::text_of(data, size), '\0');
  parts.resize(2);

  Listing listing{.entries = {}, .package_json = std::string(parts[0])};
  for (std::string_view line : fuzz::split(parts[1], '\n')) {
    auto path = archive::clean_path(line, 1024);  // a listing has no other paths
    if (!path || path->empty() || archive::is_cruft(*path)) continue;
    listing.entries.push_back({.path = *path});
    if (line.ends_with('/')) listing.entries.back().type = EntryType::directory;
  }
  if (!listing.package_json.empty()) listing.entries.push_back({.path = "package.json"});

  Classification classification = classify(listing);
  fuzz_check(classification.rule >= 1 && classification.rule <= 8, "one of eight rules");
  fuzz_check(!classification.reason.empty(), "a reason");
  fuzz_check(!classification.template_name.empty(), "a template");
  fuzz_check(nlohmann::json::parse(to_json(classification)).is_object(), "a JSON object");
  std::reverse(listing.entries.begin(), listing.entries.end());
  fuzz_check(classify(listing) == classification, "the order does not matter");
  return 0;
}
