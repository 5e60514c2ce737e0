// Opening, making and removing files below a directory handle without ever leaving it.
#pragma once

#include <dirent.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "vibed/result.hpp"

namespace vibed::archive {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

// A folder that is being read.
using OpenFolder = std::unique_ptr<DIR, CloseDir>;

// open(2) of the relative path `path` below `root`, by openat2 with RESOLVE_BENEATH: no link is
// followed, not even as the last part. Where the kernel has no openat2 (gVisor) it goes part by
// part. An empty path is `root` itself. The Fd is empty on failure, errno says why.
Fd open_beneath(int root, const std::string& path, int flags, unsigned mode = 0);

// The same without openat2.
Fd open_beneath_by_parts(int root, const std::string& path, int flags, unsigned mode = 0);

// Removes what is at `path` below `root`, with all below it. Missing is a success. Takes two
// descriptors however deep it goes.
Status remove_beneath(int root, const std::string& path);

}  // namespace vibed::archive
