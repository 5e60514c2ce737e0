#include "archive/tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "archive/path.hpp"
#include "base/error_codes.hpp"

namespace vibed::archive {
namespace {

// A target that climbs after it descended is looked up part by part; this bounds that work.
constexpr std::size_t kMaxCheckedParts = 40;

bool is_top(std::string_view path) { return path.find('/') == std::string_view::npos; }

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0 && path.substr(0, slash) != ".") parts.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

}  // namespace

Result<Change> Tree::add(ArchiveEntry entry) {
  Change change;
  if (Status opened = open_folder(parent_of(entry.path), change); !opened) {
    return std::move(opened).error();
  }
  if (auto old = nodes_.find(entry.path); old != nodes_.end()) {
    bool stays = old->second.type == EntryType::directory && entry.type == EntryType::directory;
    if (stays) return change;
    remove(entry.path, change);
  }
  if (entry.type == EntryType::hardlink) {
    auto target = nodes_.find(entry.target);
    bool is_file = target != nodes_.end() && (target->second.type == EntryType::file ||
                                              target->second.type == EntryType::hardlink);
    if (!is_file) return unsafe(entry.path, "is a hard link to no file of the archive before it");
  }
  if (Status inserted = insert(std::move(entry)); !inserted) return std::move(inserted).error();
  return change;
}

// A folder that is there has all folders above it, so one look is enough for most entries.
Status Tree::open_folder(std::string_view path, Change& change) {
  if (path.empty()) return success();
  if (auto node = nodes_.find(path); node != nodes_.end()) {
    if (node->second.type == EntryType::directory) return success();
    if (node->second.type == EntryType::symlink) {
      return unsafe(path, "is a link, and another entry's path goes through it");
    }
  }
  if (Status above = open_folder(parent_of(path), change); !above) return above;
  remove(path, change);
  if (++implied_ > limit_) {
    return make_error("archive_too_large",
                      fmt::format("the archive has more than {} folders", limit_));
  }
  change.folders.emplace_back(path);
  return insert({.path = std::string(path), .type = EntryType::directory});
}

void Tree::remove(std::string_view path, Change& change) {
  auto node = nodes_.find(path);
  if (node == nodes_.end()) return;
  if (node->second.type == EntryType::directory) {
    // '0' is the character after '/'.
    nodes_.erase(nodes_.lower_bound(std::string(path) + '/'),
                 nodes_.lower_bound(std::string(path) + '0'));
  }
  change.removed.emplace_back(path);
  if (is_top(path)) --tops_;
  nodes_.erase(node);
  hint_ = nodes_.end();
}

Status Tree::insert(ArchiveEntry entry) {
  if (is_top(entry.path)) ++tops_;
  std::string path = entry.path;
  hint_ = nodes_.emplace_hint(hint_ == nodes_.end() ? hint_ : std::next(hint_), std::move(path),
                              std::move(entry));
  return success();
}

std::string Tree::wrapper() const {
  bool wrapped = tops_ == 1 && nodes_.begin()->second.type == EntryType::directory;
  return wrapped ? nodes_.begin()->first : std::string();
}

Status Tree::check_links(const std::string& root) const {
  for (const auto& [path, entry] : nodes_) {
    if (entry.type != EntryType::symlink) continue;
    if (Status inside = check_link(entry, root); !inside) return inside;
  }
  return success();
}

// The link's own folder is real, so leading ".."s are counted; what follows stays inside as long as
// every link that it passes does, unless it climbs again behind one of them.
Status Tree::check_link(const ArchiveEntry& link, const std::string& root) const {
  std::vector<std::string_view> target = parts_of(link.target);
  auto outside = [&] { return unsafe(link.path, "is a link to a place outside of the source"); };

  std::vector<std::string_view> at = parts_of(parent_of(link.path));
  std::size_t floor = root.empty() ? 0 : 1;
  auto rest = std::find_if(target.begin(), target.end(), [](auto part) { return part != ".."; });
  auto climbed = static_cast<std::size_t>(rest - target.begin());
  if (at.size() < floor + climbed) return outside();
  at.resize(at.size() - climbed);
  if (std::find(rest, target.end(), "..") == target.end()) return success();

  if (target.size() > kMaxCheckedParts) return unsafe(link.path, "is a link with a twisted target");
  bool behind_link = false;
  for (; rest != target.end(); ++rest) {
    if (*rest == "..") {
      if (behind_link || at.size() <= floor) return outside();
      at.pop_back();
      continue;
    }
    at.push_back(*rest);
    auto node = nodes_.find(fmt::format("{}", fmt::join(at, "/")));
    behind_link |= node != nodes_.end() && node->second.type == EntryType::symlink;
  }
  return success();
}

std::vector<ArchiveEntry> Tree::take_entries(const std::string& root) && {
  std::size_t cut = root.empty() ? 0 : root.size() + 1;
  std::vector<ArchiveEntry> entries;
  entries.reserve(nodes_.size());
  for (auto& [path, entry] : nodes_) {
    if (path.size() <= cut && cut > 0) continue;  // the stripped folder itself
    entry.path.erase(0, cut);
    if (entry.type == EntryType::hardlink) entry.target.erase(0, cut);
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace vibed::archive
