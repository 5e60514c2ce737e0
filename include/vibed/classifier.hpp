// Which lane and template an app belongs to, from file names and package.json alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/archive.hpp"
#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

enum class Lane { fast, general };

// A job that must run before the app can be served (rule 2).
struct BuildHint {
  std::string script;  // of package.json, e.g. "build"; empty: nothing to build
  std::string output;  // the folder it is expected to fill, e.g. "dist"

  friend bool operator==(const BuildHint&, const BuildHint&) = default;
};

struct Classification {
  Lane lane = Lane::general;
  std::string template_name;  // "node-24"
  int rule = 8;               // 1 to 8; 0 when lane and template were both given
  std::string reason;         // one sentence for a person
  std::vector<std::string>
      evidence;  // the paths (or "package.json: dependency express") it rests on
  BuildHint build = {};

  friend bool operator==(const Classification&, const Classification&) = default;
};

// What the caller has decided already; each alone wins over the rules too.
struct ClassificationOverrides {
  std::optional<Lane> lane;
  std::string template_name;  // empty: not given
};

// Classifies a source tree by the eight rules of docs/classifier.md, first match wins. Pure: equal
// listings give equal answers, whatever the order of their entries. Never fails: a malformed
// package.json counts as an empty one. O(entries).
VIBED_EXPORT Classification classify(const Listing& listing,
                                     const ClassificationOverrides& overrides = {});

VIBED_EXPORT std::string_view to_string(Lane lane);

// "fast" or "general", or `invalid_argument` with the reason bad_metadata.
VIBED_EXPORT Result<Lane> parse_lane(std::string_view text);

// The classification as one line of JSON: lane, template, rule, reason, evidence, build.
VIBED_EXPORT std::string to_json(const Classification& classification);

}  // namespace vibed
