#include "plan/search.hpp"

#include <algorithm>

namespace vibed::plan {
namespace {

constexpr char kAfterSlash = '/' + 1;  // sorts behind everything in a folder

}  // namespace

Language language_of(std::string_view template_name) {
  if (template_name == "static-nginx" || template_name == "workerd") return Language::none;
  for (std::string_view prefix : {"node-", "bun-", "deno-"}) {
    if (template_name.starts_with(prefix)) return Language::node;
  }
  if (template_name.starts_with("python-")) return Language::python;
  if (template_name.starts_with("go-")) return Language::go;
  return Language::all;
}

Search::Search(const StartPlanInput& input)
    : input_(input), language_(language_of(input.template_name)) {
  for (const auto& entry : input.entries) {
    if (entry.type == EntryType::directory) continue;
    files_.insert(entry.path);
    // Whether a link leads to a program is not known; it is taken for one.
    if (entry.executable || entry.type != EntryType::file) programs_.insert(entry.path);
  }
}

bool Search::has_folder(std::string_view path) const {
  std::string prefix = std::string(path) + '/';
  auto at = files_.lower_bound(prefix);
  return at != files_.end() && at->starts_with(prefix);
}

std::string_view Search::text(const std::string& path) const {
  auto at = input_.texts.find(path);
  return at == input_.texts.end() || !has(path) ? std::string_view() : at->second;
}

Search::Children Search::in(std::string_view folder) const {
  std::string prefix = folder.empty() ? std::string() : std::string(folder) + '/';
  Children found;
  auto at = files_.lower_bound(prefix);
  while (at != files_.end() && at->starts_with(prefix)) {
    auto slash = at->find('/', prefix.size());
    if (slash == std::string::npos) {
      found.files.push_back(*at++);
    } else {
      found.folders.push_back(at->substr(0, slash));
      at = files_.lower_bound(found.folders.back() + kAfterSlash);
    }
  }
  return found;
}

std::optional<std::string> Search::first_of(std::span<const std::string_view> paths) {
  for (std::string_view path : paths) note(path);
  for (std::string_view path : paths) {
    if (has(path)) return std::string(path);
  }
  return std::nullopt;
}

void Search::note(std::string_view what) {
  bool known = std::find(looked_for_.begin(), looked_for_.end(), what) != looked_for_.end();
  if (!known) looked_for_.emplace_back(what);
}

std::string base_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

std::string folder_of(std::string_view path) {
  auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

std::string stem(std::string_view path) {
  std::string name = base_name(path);
  auto dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

std::string_view trim(std::string_view text) {
  auto begin = text.find_first_not_of(" \t\r\n\f\v");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n\f\v") - begin + 1);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace vibed::plan
