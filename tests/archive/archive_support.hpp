// Short words for the archive tests.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "support/tar_builder.hpp"
#include "support/temp_dir.hpp"
#include "vibed/archive.hpp"

namespace vibed {

// For gtest's messages.
inline void PrintTo(const ArchiveEntry& entry, std::ostream* out) {
  const char* types = "fdlh";
  *out << types[static_cast<int>(entry.type)] << (entry.executable ? "x " : "  ") << entry.path
       << " " << entry.size << (entry.target.empty() ? "" : " -> ") << entry.target;
}

}  // namespace vibed

namespace vibed::testing {

namespace fs = std::filesystem;

inline Result<Listing> list(std::string_view tgz, const ArchiveLimits& limits = {}) {
  auto source = make_memory_source(tgz);
  return list_archive(*source, limits);
}

inline Result<Extraction> extract(std::string_view tgz, const std::string& path,
                                  const ArchiveLimits& limits = {}) {
  Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto source = make_memory_source(tgz);
  return extract_archive(*source, directory.get(), limits);
}

// "d app", "f app/x", "l y -> x", "h z -> x"; or the error's reason.
inline std::vector<std::string> names(const Result<Listing>& listing) {
  if (!listing) return {listing.error().reason + ": " + listing.error().message};
  std::vector<std::string> lines;
  for (const ArchiveEntry& entry : listing->entries) {
    std::string line = std::string(1, "fdlh"[static_cast<int>(entry.type)]) + " " + entry.path;
    if (!entry.target.empty()) line += " -> " + entry.target;
    lines.push_back(line);
  }
  return lines;
}

// A hard link on disk is the file that it is.
inline Listing as_on_disk(Listing listing) {
  for (ArchiveEntry& entry : listing.entries) {
    if (entry.type == EntryType::hardlink) entry = {.path = entry.path};
  }
  return listing;
}

inline void write(const std::string& path, std::string_view content) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

inline std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

inline std::vector<std::string> tree(const std::string& path) {
  return names(list_directory(path));
}

}  // namespace vibed::testing
