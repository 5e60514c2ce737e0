// vibed classify: which runtime a source tree would get, and why. Needs no running vibed.
#include <fmt/format.h>

#include <filesystem>

#include "commands.hpp"
#include "vibed/archive.hpp"
#include "vibed/classifier.hpp"

namespace vibed::cli {
namespace {

// What a deploy of `path` would send: of a folder what its ignore files leave.
Result<Listing> listing_of(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return preview_directory(path);
  auto file = open_file_source(path);
  if (!file) return std::move(file).error();
  return list_archive(**file);
}

Status run_classify(const Invocation& invocation) {
  auto listing = listing_of(invocation.text("DIR|FILE.tgz", "."));
  if (!listing) return std::move(listing).error();
  const Classification found = classify(*listing);
  if (invocation.has("json")) {
    fmt::print("{}\n", to_json(found));
    return success();
  }
  fmt::print("{}/{}\n", to_string(found.lane), found.template_name);
  fmt::print("  rule {}: {}\n", found.rule, found.reason);
  for (const auto& evidence : found.evidence) fmt::print("  - {}\n", evidence);
  if (!found.build.script.empty()) {
    fmt::print("  must be built first: script {}, which fills {}\n", found.build.script,
               found.build.output);
  }
  return success();
}

}  // namespace

Command classify_command() {
  return {.name = "classify",
          .summary = "say which runtime a folder would get, and why",
          .options = {{"--json", "", "print JSON"}},
          .positionals = {{"DIR|FILE.tgz", "what to look at; the current folder", false}},
          .run = run_classify};
}

}  // namespace vibed::cli
