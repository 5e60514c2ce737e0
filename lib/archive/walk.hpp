// walk_archive reads a tar.gz once, from front to end, and tells a Visitor what is safe in it.
#pragma once

#include <cstdint>
#include <string_view>

#include "archive/tree.hpp"
#include "vibed/archive.hpp"
#include "vibed/stream.hpp"

namespace vibed::archive {

// Learns of every entry that passed all checks. A failure of any call ends the walk with it.
class Visitor {
 public:
  virtual ~Visitor() = default;

  // The next entry, with its path as the archive has it, and what it does to those before.
  virtual Status entry(const ArchiveEntry& entry, const Change& change) = 0;

  // Bytes of the last entry, which is a file, for this place in it; they are good until the call
  // returns. Places that no call names are zero bytes (a sparse file).
  virtual Status data(std::uint64_t offset, std::string_view bytes) = 0;
};

// What was in the archive, and the folder that is to be stripped from it, or empty. Every entry has
// been seen and every check has been made, symbolic links' too.
struct Walked {
  Tree tree;
  std::string wrapper;
};

Result<Walked> walk_archive(ByteSource& source, const ArchiveLimits& limits, Visitor& visitor);

}  // namespace vibed::archive
