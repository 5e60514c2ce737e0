// What a deploy sends: the archive of a folder, or an archive that is there already.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "vibed/stream.hpp"

namespace vibed {

struct PackedSource {
  Fd file;  // of a folder: its archive, in memory
  std::unique_ptr<ByteSource> bytes;
  std::uint64_t size = 0;
};

// `path`: a folder, packed with its ignore files obeyed, or a file, taken as it is. `on_packed`
// hears how many bytes there are so far.
Result<PackedSource> pack_source(const std::string& path,
                                 const std::function<void(std::uint64_t)>& on_packed);

}  // namespace vibed
