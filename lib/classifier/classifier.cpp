#include "vibed/classifier.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error_codes.hpp"
#include "classifier/browser_app.hpp"
#include "classifier/file_kinds.hpp"
#include "classifier/package_json.hpp"

namespace vibed {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kMaxEvidence = 5;

constexpr std::array kWranglerNames = {"wrangler.toml"sv, "wrangler.json"sv, "wrangler.jsonc"sv};
constexpr std::array kWorkerNames = {"worker.js"sv, "worker.ts"sv};
constexpr std::array kNodeNames = {
    "package.json"sv,        "package.json5"sv,      "package.yaml"sv,      "deno.json"sv,
    "deno.jsonc"sv,          "deno.lock"sv,          "bun.lock"sv,          "bun.lockb"sv,
    "bunfig.toml"sv,         "yarn.lock"sv,          "package-lock.json"sv, "pnpm-lock.yaml"sv,
    "npm-shrinkwrap.json"sv, "pnpm-workspace.yaml"sv};
constexpr std::array kPythonNames = {"requirements.txt"sv, "pyproject.toml"sv, "Pipfile"sv,
                                     "Pipfile.lock"sv,     "setup.py"sv,       "setup.cfg"sv,
                                     "uv.lock"sv,          "poetry.lock"sv,    "pdm.lock"sv,
                                     "requirements.in"sv};
constexpr std::array kGoNames = {"go.mod"sv, "go.work"sv, "go.sum"sv};
constexpr std::array kDockerNames = {"Dockerfile"sv, "Containerfile"sv};

// What the rules ask of a listing, gathered in one pass. Sets, so that order cannot matter.
struct Facts {
  std::set<std::string, std::less<>> root;  // names of files and links at the root
  std::set<std::string, std::less<>> html;  // paths
  std::set<std::string, std::less<>>
      other;  // paths of everything else, for want of better evidence
  bool root_html = false;
  std::string server_side;  // the first path, in order, that only a server has a use for
  bool ambiguous_entry = false;
  PackageJson package;
};

Facts gather(const Listing& listing) {
  Facts facts;
  for (const auto& entry : listing.entries) {
    if (entry.type == EntryType::directory) continue;
    bool at_root = entry.path.find('/') == std::string::npos;
    if (at_root) facts.root.insert(entry.path);
    if (is_beside_the_point(entry.path)) continue;
    bool program = entry.path == "app" && entry.executable;
    bool first = facts.server_side.empty() || entry.path < facts.server_side;
    if (first && (program || is_server_side(entry.path))) facts.server_side = entry.path;
    facts.ambiguous_entry = facts.ambiguous_entry || is_ambiguous_entry(entry.path);
    if (is_html(entry.path)) {
      facts.html.insert(entry.path);
      facts.root_html = facts.root_html || at_root;
    } else if (facts.other.size() < kMaxEvidence || entry.path < *facts.other.rbegin()) {
      facts.other.insert(entry.path);
      if (facts.other.size() > kMaxEvidence) facts.other.erase(std::prev(facts.other.end()));
    }
  }
  if (facts.root.contains("package.json")) {
    facts.package = parse_package_json(listing.package_json);
  }
  return facts;
}

template <class Names>
std::vector<std::string> present(const Facts& facts, const Names& names) {
  std::vector<std::string> found;
  for (std::string_view name : names) {
    if (facts.root.contains(name)) found.emplace_back(name);
  }
  return found;
}

Classification answer(int rule, Lane lane, std::string template_name, std::string reason,
                      std::vector<std::string> evidence) {
  if (evidence.size() > kMaxEvidence) evidence.resize(kMaxEvidence);
  return {lane, std::move(template_name), rule, std::move(reason), std::move(evidence), {}};
}

// Rule 1. A script that both a page and Node could run is the page's when there is one beside it.
std::optional<Classification> static_site(const Facts& facts) {
  if (facts.html.empty() || !facts.server_side.empty()) return std::nullopt;
  if (facts.ambiguous_entry && !facts.root_html) return std::nullopt;
  std::vector<std::string> pages;
  if (facts.html.contains("index.html")) pages.emplace_back("index.html");
  for (const auto& page : facts.html) {
    if (pages.size() == kMaxEvidence) break;
    if (page != "index.html") pages.push_back(page);
  }
  return answer(1, Lane::fast, "static-nginx",
                "only static files and no server-side code, so they are served as they are",
                std::move(pages));
}

// A server in another language at the root: package.json then only builds that server's assets.
bool has_other_server(const Facts& facts) {
  return !present(facts, kPythonNames).empty() || !present(facts, kGoNames).empty();
}

// Rule 2.
std::optional<Classification> browser_bundle(const Facts& facts) {
  auto app = find_browser_app(facts.package);
  if (!app || has_other_server(facts)) return std::nullopt;
  if (facts.root.contains("server.js") || facts.root.contains("server.ts")) return std::nullopt;
  auto result =
      answer(2, Lane::fast, "static-nginx",
             "package.json builds a browser app and lists no server, so its build output " +
                 app->output + "/ is what is served",
             {"package.json: scripts.build", app->evidence});
  result.build = {"build", app->output};
  return result;
}

// Rule 3. A Node app may have a helper named worker.js; its package.json tells.
std::optional<Classification> worker(const Facts& facts) {
  auto found = present(facts, kWranglerNames);
  if (found.empty() && server_evidence(facts.package).empty()) {
    found = present(facts, kWorkerNames);
  }
  if (found.empty()) return std::nullopt;
  std::string reason = found.front() + " marks a Workers app";
  return answer(3, Lane::fast, "workerd", std::move(reason), std::move(found));
}

// Rule 4.
std::optional<Classification> node(const Facts& facts) {
  auto found = present(facts, kNodeNames);
  if (found.empty()) return std::nullopt;
  bool only_assets = find_browser_app(facts.package) && has_other_server(facts);
  if (only_assets) return std::nullopt;
  std::string reason = found.front() + " at the root marks a Node app";
  std::string server = server_evidence(facts.package);
  if (!server.empty()) found.insert(found.begin() + 1, server);
  return answer(4, Lane::general, "node-24", std::move(reason), std::move(found));
}

// Rules 5 to 7.
template <class Names>
std::optional<Classification> by_manifest(const Facts& facts, const Names& names, int rule,
                                          const char* template_name, const char* what) {
  auto found = present(facts, names);
  if (found.empty()) return std::nullopt;
  std::string reason = found.front() + " at the root marks " + what;
  return answer(rule, Lane::general, template_name, std::move(reason), std::move(found));
}

Classification by_rules(const Facts& facts) {
  if (auto found = static_site(facts)) return *found;
  if (auto found = browser_bundle(facts)) return *found;
  if (auto found = worker(facts)) return *found;
  if (auto found = node(facts)) return *found;
  if (auto found = by_manifest(facts, kPythonNames, 5, "python-313", "a Python app")) return *found;
  if (auto found = by_manifest(facts, kGoNames, 6, "go-123", "a Go app")) return *found;
  if (auto found = by_manifest(facts, kDockerNames, 7, "base-al2023",
                               "an app whose start command it hints at; it is never built")) {
    return *found;
  }
  std::vector<std::string> evidence;
  if (!facts.server_side.empty()) evidence.push_back(facts.server_side);
  for (const auto& name : facts.root.empty() ? facts.other : facts.root) {
    if (name != facts.server_side) evidence.push_back(name);
  }
  return answer(
      8, Lane::general, "base-al2023",
      "no manifest says what it is, so the start command is looked for among all languages",
      std::move(evidence));
}

// The lane a template of vibed's own belongs to, if it is one.
std::optional<Lane> lane_of(std::string_view template_name) {
  if (template_name == "static-nginx" || template_name == "workerd") return Lane::fast;
  for (std::string_view prefix : {"node-", "python-", "go-", "base-", "bun-", "deno-"}) {
    if (template_name.starts_with(prefix)) return Lane::general;
  }
  return std::nullopt;
}

}  // namespace

Classification classify(const Listing& listing, const ClassificationOverrides& overrides) {
  bool given_template = !overrides.template_name.empty();
  if (given_template && overrides.lane) {
    return answer(0, *overrides.lane, overrides.template_name,
                  "lane and template were given in the request",
                  {"request: lane", "request: template"});
  }
  Classification result = by_rules(gather(listing));
  if (given_template) {
    result.template_name = overrides.template_name;
    result.lane = lane_of(overrides.template_name).value_or(result.lane);
    result.build = {};
    result.reason = "the template was given in the request; the rules alone: " + result.reason;
    result.evidence.insert(result.evidence.begin(), "request: template");
  }
  if (overrides.lane) {
    result.lane = *overrides.lane;
    result.reason = "the lane was given in the request; the rules alone: " + result.reason;
    result.evidence.insert(result.evidence.begin(), "request: lane");
  }
  return result;
}

std::string_view to_string(Lane lane) {
  switch (lane) {
    case Lane::fast: return "fast";
    case Lane::general: return "general";
  }
  return "general";
}

Result<Lane> parse_lane(std::string_view text) {
  if (text == "fast") return Lane::fast;
  if (text == "general") return Lane::general;
  return make_error("bad_metadata", "lane is fast or general");
}

std::string to_json(const Classification& classification) {
  nlohmann::ordered_json json = {{"lane", to_string(classification.lane)},
                                 {"template", classification.template_name},
                                 {"rule", classification.rule},
                                 {"reason", classification.reason},
                                 {"evidence", classification.evidence},
                                 {"build", nullptr}};
  if (!classification.build.script.empty()) {
    json["build"] = {{"script", classification.build.script},
                     {"output", classification.build.output}};
  }
  // A path may hold any bytes; JSON may not.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace vibed
