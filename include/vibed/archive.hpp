// Safe tar.gz: what vibed takes from strangers is listed, extracted and packed here and nowhere
// else.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/export.hpp"
#include "vibed/result.hpp"
#include "vibed/stream.hpp"

namespace vibed {

// What an archive may cost. The defaults are the promise of the /v1 API.
struct ArchiveLimits {
  std::uint64_t packed_bytes = 50ULL * 1024 * 1024;     // of the gzip stream
  std::uint64_t unpacked_bytes = 512ULL * 1024 * 1024;  // inflated, and again written
  std::uint64_t entries = 100'000;                      // headers of every kind, skipped ones too
  std::size_t path_bytes = 1024;                        // of one entry's name or link target
};

enum class EntryType { file, directory, symlink, hardlink };

struct ArchiveEntry {
  std::string path;  // relative, clean, '/' between parts, never empty, no "." or ".." part
  EntryType type = EntryType::file;
  std::uint64_t size = 0;   // bytes; 0 for anything but a file
  bool executable = false;  // any execute bit, of a file
  std::string target = {};  // of a link

  friend bool operator==(const ArchiveEntry&, const ArchiveEntry&) = default;
};

// What a source tree holds, seen without extracting it: macOS cruft (._*, .DS_Store, __MACOSX,
// Icon\r) is left out and a single folder that wraps everything is stripped from every path.
// Folders that an archive's paths only imply are in it: it is what extract_archive would leave on
// disk.
struct Listing {
  std::vector<ArchiveEntry> entries;  // sorted by path, each path once (the last one wins)
  std::string package_json = {};      // text of the root package.json, at most 256 KiB of it

  friend bool operator==(const Listing&, const Listing&) = default;
};

// Reads a tar.gz from front to end and returns what is in it, without writing anything. O(entries).
//
// Fails with `invalid_argument` and one of the reasons bad_archive (not gzip, truncated, trailing
// rubbish), unsafe_archive (absolute path, "..", device, FIFO, a link out of the tree, a path
// through a link, a name with control characters or not in UTF-8), or archive_too_large (a limit;
// the message names which). Pax global headers are accepted and ignored; several gzip members after
// one another are one stream.
VIBED_EXPORT Result<Listing> list_archive(ByteSource& source, const ArchiveLimits& limits = {});

// The same view of a directory on disk: names, types, package.json. Symbolic links are not
// followed, and nothing is stripped: what extract_archive left here is listed as list_archive did
// (a hard link as the file that it is).
VIBED_EXPORT Result<Listing> list_directory(const std::string& path,
                                            const ArchiveLimits& limits = {});

struct Extraction {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  // written
};

// Extracts a tar.gz into the open directory `directory_fd`, which should be empty. Nothing is ever
// written outside of it, whatever the archive says (openat2 with RESOLVE_BENEATH, no links
// followed). Owners, times and special mode bits are ignored; files are 0644 or 0755. A failure
// leaves the directory as it was found. Same checks, limits, reasons and stripping as list_archive.
VIBED_EXPORT Result<Extraction> extract_archive(ByteSource& source, int directory_fd,
                                                const ArchiveLimits& limits = {});

struct PackOptions {
  bool ignore_files =
      true;  // obey .vibedignore and .gitignore (every level); .git is always left out
  ArchiveLimits limits = {};
};

struct PackSummary {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;         // before compression
  std::uint64_t packed_bytes = 0;  // handed to the sink
};

// Packs the directory at `path` as tar.gz into `sink`. Equal trees give equal bytes: entries are
// sorted, owners and times are zero. What is neither file, folder nor symbolic link is left out. A
// tree whose top is a single folder is packed inside of one more, so that reading the archive gives
// this tree again. Fails with `invalid_argument` (archive_too_large, unsafe_archive,
// not_a_directory), `not_found`, `conflict` (a file changed meanwhile), or as the sink does.
VIBED_EXPORT Result<PackSummary> pack_directory(const std::string& path, const ByteSink& sink,
                                                const PackOptions& options = {});

// What list_archive says of the archive that pack_directory makes, without making it.
VIBED_EXPORT Result<Listing> preview_directory(const std::string& path,
                                               const PackOptions& options = {});

}  // namespace vibed
