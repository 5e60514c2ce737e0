// scan_directory: what a folder on disk holds, with the same rules for names as an archive's.
#pragma once

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "vibed/archive.hpp"

namespace vibed::archive {

struct ScanOptions {
  bool ignore_files = false;  // obey .vibedignore and .gitignore
  bool skip_git = false;      // leave .git out
  ArchiveLimits limits = {};
};

// The folder at `path`, opened, or `not_found` or not_a_directory.
Result<Fd> open_directory(const std::string& path);

// All files, folders and symbolic links below `root`, sorted, without macOS cruft; anything else is
// passed over. Links are not followed. Fails with unsafe_archive for a name that no archive may
// have and with archive_too_large for too many or too long ones; sizes are not checked.
Result<std::vector<ArchiveEntry>> scan_directory(int root, const ScanOptions& options);

// The text of the root package.json below `root`, at most 256 KiB; empty when there is none.
std::string read_package_json(int root);

}  // namespace vibed::archive
