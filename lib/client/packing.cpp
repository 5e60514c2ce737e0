#include "client/packing.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/files.hpp"
#include "vibed/archive.hpp"

namespace vibed {

Result<PackedSource> pack_source(const std::string& path,
                                 const std::function<void(std::uint64_t)>& on_packed) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return errno_error(path);
  PackedSource packed;
  if (!S_ISDIR(info.st_mode)) {
    auto file = open_file_source(path);
    if (!file) return std::move(file).error();
    packed.bytes = std::move(*file);
    packed.size = static_cast<std::uint64_t>(info.st_size);
    return packed;
  }
  packed.file = Fd(::memfd_create("vibed-source", MFD_CLOEXEC));
  if (!packed.file) return errno_error("memfd_create");
  std::uint64_t size = 0;
  auto summary = pack_directory(path, [&](std::string_view bytes) -> Status {
    auto written = write_all(packed.file.get(), bytes, "pack");
    if (!written) return written;
    size += bytes.size();
    on_packed(size);
    return success();
  });
  if (!summary) return std::move(summary).error().during("pack " + path);
  packed.size = size;
  packed.bytes = make_file_range_source(packed.file.get(), 0, static_cast<std::size_t>(size));
  return packed;
}

}  // namespace vibed
