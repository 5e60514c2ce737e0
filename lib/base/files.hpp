// Small files on disk, written so that a power cut leaves the old or the new one; and complete
// writes to any descriptor.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "vibed/result.hpp"

namespace vibed {

enum class Durability { synced, unsynced };

// Writes `bytes` to a temporary file beside `path` and renames it there; `synced` also does
// fsync(file) and fsync(folder). `mode` as in open(2).
Status write_file(const std::string& path, std::string_view bytes, Durability durability,
                  unsigned mode = 0644);

// Writes all of `bytes`, however many writes it takes; an error names `action`.
Status write_all(int fd, std::string_view bytes, const std::string& action);

// The whole file, or `not_found`, or `resource_exhausted` past `limit` bytes.
Result<std::string> read_file(const std::string& path, std::size_t limit);

// fsync of a folder, so that a rename in it survives a power cut.
Status sync_directory(const std::string& path);

// mkdir -p; existing folders keep their mode.
Status make_directories(const std::string& path, unsigned mode = 0755);

}  // namespace vibed
