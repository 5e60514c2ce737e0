// Tree is what a sequence of archive entries amounts to: the one place that decides what is safe,
// what replaces what and which folder is stripped, for listing, extracting and packing alike.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/archive.hpp"

namespace vibed::archive {

// What one entry did to the tree, in the order in which a disk has to follow.
struct Change {
  std::vector<std::string> removed;  // replaced paths, each with all that was below it
  std::vector<std::string> folders;  // new folders that the path only implies, the highest first
};

class Tree {
 public:
  // `limit`: at most so many entries, and at most so many folders that paths only imply.
  explicit Tree(std::uint64_t limit) : limit_(limit) {}

  // Adds an entry with a clean path; a later one replaces an earlier one of the same path, a file
  // or link with all that was below it. The target of a hard link is a clean path too. Fails with
  // unsafe_archive for a path through a link and for a hard link to anything but a file that came
  // before it, with archive_too_large.
  Result<Change> add(ArchiveEntry entry);

  // The single top folder that wraps everything, or empty.
  std::string wrapper() const;

  // Checks that no symbolic link leaves the folder `root` ("": the tree): call it after the last
  // entry. ".." in a target may follow only real folders.
  Status check_links(const std::string& root) const;

  // All paths with their entries, sorted.
  using Nodes = std::map<std::string, ArchiveEntry, std::less<>>;
  const Nodes& nodes() const { return nodes_; }

  // The entries below `root`, sorted, their paths and the targets of hard links without it.
  std::vector<ArchiveEntry> take_entries(const std::string& root) &&;

 private:
  Status open_folder(std::string_view path, Change& change);
  void remove(std::string_view path, Change& change);
  Status insert(ArchiveEntry entry);
  Status check_link(const ArchiveEntry& link, const std::string& root) const;

  std::uint64_t limit_;
  std::uint64_t implied_ = 0;
  Nodes nodes_;
  Nodes::iterator hint_ = nodes_.end();  // archives come nearly sorted
  std::size_t tops_ = 0;                 // nodes without a folder around them
};

}  // namespace vibed::archive
