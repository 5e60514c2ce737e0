// Ignore files of any content: up to the first NUL the top one, then a deeper one, then paths, a
// line each.
#include "archive/ignore.hpp"
#include "archive/path.hpp"
#include "support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vibed::archive;
  using vibed::fuzz::fuzz_check;
  using vibed::fuzz::split;
  std::vector<std::string_view> parts = split(vibed::fuzz::text_of(data, size), '\0');
  parts.resize(3);

  IgnoreRules rules;
  rules.add("", parts[0]);
  rules.add("a/b", parts[1]);
  IgnoreRules all = rules;
  all.add("", "*");
  all.add("a/b", "*");
  IgnoreRules none = rules;
  none.add("", "!*");
  none.add("a/b", "!*");
  for (std::string_view line : split(parts[2], '\n')) {
    auto path = clean_path(line, 1024);
    if (!path || path->empty()) continue;
    (void)rules.ignores(*path, false);
    (void)rules.ignores(*path, true);
    fuzz_check(all.ignores(*path, false), "a last * ignores everything");
    fuzz_check(!none.ignores(*path, true), "a last !* ignores nothing");
  }
  return 0;
}
