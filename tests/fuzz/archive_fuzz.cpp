// list_archive, extract_archive and list_directory agree on every archive, and nothing is written
// outside of the target.
//
// The first byte says what the rest is: even, a tar.gz; odd, a tar, whose header checksums are put
// right so that the fuzzer gets past them.
#include <fcntl.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>

#include "base/fd.hpp"
#include "support.hpp"
#include "vibed/archive.hpp"

namespace vibed::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 512;

// Puts the checksum of every header right, following the sizes as a tar reader does.
void seal(std::string& tar) {
  for (std::size_t at = 0; at + kBlock <= tar.size();) {
    char* block = tar.data() + at;
    if (std::all_of(block, block + kBlock, [](char c) { return c == 0; })) return;
    std::fill(block + 148, block + 156, ' ');
    unsigned sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(block[i]);
    std::snprintf(block + 148, 8, "%06o", sum & 0777777U);
    block[155] = ' ';
    std::size_t size = std::strtoull(std::string(block + 124, 12).c_str(), nullptr, 8);
    at += kBlock + std::min(tar.size(), size + (kBlock - size % kBlock) % kBlock);
  }
}

std::string gzip(const std::string& bytes) {
  std::string out(bytes.size() + bytes.size() / 8 + 256, '\0');
  z_stream stream = {};
  deflateInit2(&stream, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  fuzz_check(deflate(&stream, Z_FINISH) == Z_STREAM_END, "deflate ends");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct Scratch {
  Scratch() {
    char name[] = "/tmp/vibed-fuzz-XXXXXX";
    fuzz_check(::mkdtemp(name) != nullptr, "mkdtemp");
    path = name;
    fs::create_directory(path + "/target");
  }
  ~Scratch() { fs::remove_all(path); }
  std::string path;
};

// What both sides must agree on; a hard link is the file that it is, of a size that is not listed.
void check_equal(const Listing& listed, const Listing& on_disk) {
  fuzz_check(listed.entries.size() == on_disk.entries.size(), "as many entries");
  bool has_package_json = false;
  for (std::size_t i = 0; i < listed.entries.size(); ++i) {
    const ArchiveEntry& a = listed.entries[i];
    const ArchiveEntry& b = on_disk.entries[i];
    fuzz_check(a.path == b.path, "equal paths");
    if (a.type == EntryType::hardlink) {
      fuzz_check(b.type == EntryType::file, "a hard link is a file");
      continue;
    }
    fuzz_check(a == b, "equal entries");
    has_package_json |= a.path == "package.json" && a.type == EntryType::file;
  }
  if (has_package_json) fuzz_check(listed.package_json == on_disk.package_json, "equal texts");
}

void run(const std::string& tgz) {
  const ArchiveLimits limits = {.packed_bytes = 1 << 20, .unpacked_bytes = 4 << 20, .entries = 100};
  auto listed_source = make_memory_source(tgz);
  auto listed = list_archive(*listed_source, limits);

  Scratch scratch;
  Fd target(::open((scratch.path + "/target").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto source = make_memory_source(tgz);
  auto extraction = extract_archive(*source, target.get(), limits);

  fuzz_check(std::distance(fs::directory_iterator(scratch.path), {}) == 1, "nothing outside");
  fuzz_check(listed.ok() == extraction.ok(), "list and extract agree");
  if (!listed) {
    fuzz_check(listed.error().message == extraction.error().message, "for the same reason");
    fuzz_check(fs::is_empty(scratch.path + "/target"), "nothing is left");
    return;
  }
  auto on_disk = list_directory(scratch.path + "/target");
  fuzz_check(on_disk.ok(), "what was extracted can be listed");
  check_equal(*listed, *on_disk);
}

}  // namespace
}  // namespace vibed::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(vibed::fuzz::text_of(data, size).substr(1));
  if (data[0] % 2 == 1) {
    vibed::fuzz::seal(bytes);
    bytes = vibed::fuzz::gzip(bytes);
  }
  vibed::fuzz::run(bytes);
  return 0;
}
