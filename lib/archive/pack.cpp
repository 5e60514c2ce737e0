// Packing has a file of its own: the static agent only reads, and does not link it.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "archive/beneath.hpp"
#include "archive/path.hpp"
#include "archive/scan.hpp"
#include "archive/tree.hpp"
#include "base/error_codes.hpp"
#include "vibed/archive.hpp"

namespace vibed {
namespace {

using namespace archive;

constexpr std::size_t kBlockBytes = 64 * 1024;

// A folder that holds nothing but one folder would lose it when the archive is read, so it is
// packed inside of one more.
constexpr std::string_view kWrapper = "source";

Error too_large(std::string_view what, std::uint64_t limit) {
  return make_error("archive_too_large",
                    fmt::format("the folder {} more than {} bytes", what, limit));
}

struct Source {
  Fd root;
  std::vector<ArchiveEntry> entries;
  bool wrap = false;
  std::uint64_t bytes = 0;
};

// What is to be packed, after all checks that need no content.
Result<Source> prepare(const std::string& path, const PackOptions& options) {
  auto root = open_directory(path);
  if (!root) return std::move(root).error();
  auto entries = scan_directory(
      root->get(),
      {.ignore_files = options.ignore_files, .skip_git = true, .limits = options.limits});
  if (!entries) return std::move(entries).error();
  Source source;
  source.root = *std::move(root);
  Tree tree(options.limits.entries);
  for (const ArchiveEntry& entry : *entries) {
    source.bytes += entry.size;
    if (source.bytes > options.limits.unpacked_bytes) {
      return too_large("holds", options.limits.unpacked_bytes);
    }
    if (entry.type == EntryType::symlink) {
      Status fine = check_link_text(entry.path, entry.target, options.limits.path_bytes);
      if (!fine) return std::move(fine).error();
    }
    if (auto change = tree.add(entry); !change) return std::move(change).error();
  }
  if (Status inside = tree.check_links(""); !inside) return std::move(inside).error();
  source.entries = *std::move(entries);
  source.wrap = !tree.wrapper().empty();
  return source;
}

class Packer {
 public:
  Packer(const ByteSink& sink, const PackOptions& options)
      : sink_(sink), limits_(options.limits), writer_(archive_write_new()) {}

  Result<PackSummary> run(const Source& source);

 private:
  struct FreeWriter {
    // Closing would flush into the sink, which has failed when we come here early.
    void operator()(::archive* writer) const {
      archive_write_fail(writer);
      archive_write_free(writer);
    }
  };
  struct FreeEntry {
    void operator()(archive_entry* entry) const { archive_entry_free(entry); }
  };

  static la_ssize_t write_block(::archive* writer, void* self, const void* bytes, size_t size);

  Status open();
  Status add(const Source& source, const ArchiveEntry& entry);
  Status write_header(const std::string& path, const ArchiveEntry& entry, std::uint64_t size);
  Status write_content(int fd, const std::string& path, std::uint64_t size);
  Status take(std::string_view bytes);
  Error failure() const;

  const ByteSink& sink_;
  const ArchiveLimits& limits_;
  std::optional<Error> error_;  // of the sink
  PackSummary summary_;
  std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(kBlockBytes);
  std::unique_ptr<archive_entry, FreeEntry> header_{archive_entry_new()};
  std::unique_ptr<::archive, FreeWriter> writer_;
};

Result<PackSummary> Packer::run(const Source& source) {
  if (Status opened = open(); !opened) return std::move(opened).error();
  if (source.wrap) {
    ArchiveEntry wrapper{.path = std::string(kWrapper), .type = EntryType::directory};
    if (Status written = write_header(wrapper.path, wrapper, 0); !written) {
      return std::move(written).error();
    }
  }
  for (const ArchiveEntry& entry : source.entries) {
    if (Status added = add(source, entry); !added) return std::move(added).error();
  }
  if (archive_write_close(writer_.get()) != ARCHIVE_OK || error_) return failure();
  return summary_;
}

// GNU's format, because names are bytes in it: pax would turn them into UTF-8 from the locale's
// character set. No time in the gzip header, and no padding behind it.
Status Packer::open() {
  ::archive* writer = writer_.get();
  bool fine =
      archive_write_set_format_gnutar(writer) == ARCHIVE_OK &&
      archive_write_add_filter_gzip(writer) == ARCHIVE_OK &&
      archive_write_set_filter_option(writer, "gzip", "timestamp", nullptr) == ARCHIVE_OK &&
      archive_write_set_bytes_per_block(writer, kBlockBytes) == ARCHIVE_OK &&
      archive_write_set_bytes_in_last_block(writer, 1) == ARCHIVE_OK &&
      archive_write_open(writer, this, nullptr, &Packer::write_block, nullptr) == ARCHIVE_OK;
  return fine ? success() : Status(failure());
}

Status Packer::add(const Source& source, const ArchiveEntry& entry) {
  std::string path = source.wrap ? fmt::format("{}/{}", kWrapper, entry.path) : entry.path;
  if (entry.type != EntryType::file) return write_header(path, entry, 0);
  Fd file = open_beneath(source.root.get(), entry.path, O_RDONLY | O_NONBLOCK);
  if (!file) return errno_error("open " + shown(entry.path));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return errno_error("stat " + shown(entry.path));
  auto size = static_cast<std::uint64_t>(info.st_size);
  if (!S_ISREG(info.st_mode) || size > limits_.unpacked_bytes - summary_.bytes) {
    return Error{Errc::conflict, shown(entry.path) + " changed while it was packed"};
  }
  summary_.files += 1;
  summary_.bytes += size;
  if (Status written = write_header(path, entry, size); !written) return written;
  return write_content(file.get(), entry.path, size);
}

Status Packer::write_header(const std::string& path, const ArchiveEntry& entry,
                            std::uint64_t size) {
  archive_entry* header = archive_entry_clear(header_.get());
  archive_entry_set_pathname(header, path.c_str());
  archive_entry_set_mtime(header, 0, 0);
  archive_entry_set_size(header, static_cast<la_int64_t>(size));
  switch (entry.type) {
    case EntryType::directory: archive_entry_set_mode(header, AE_IFDIR | 0755); break;
    case EntryType::symlink:
      archive_entry_set_mode(header, AE_IFLNK | 0777);
      archive_entry_set_symlink(header, entry.target.c_str());
      break;
    case EntryType::file:
    case EntryType::hardlink:
      archive_entry_set_mode(header, AE_IFREG | (entry.executable ? 0755U : 0644U));
      break;
  }
  int status = archive_write_header(writer_.get(), header);
  return status == ARCHIVE_OK || status == ARCHIVE_WARN ? success() : Status(failure());
}

Status Packer::write_content(int fd, const std::string& path, std::uint64_t size) {
  while (size > 0) {
    ssize_t count = ::read(fd, buffer_.get(), std::min<std::uint64_t>(size, kBlockBytes));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("read " + shown(path));
    if (count == 0) return Error{Errc::conflict, shown(path) + " changed while it was packed"};
    if (archive_write_data(writer_.get(), buffer_.get(), static_cast<std::size_t>(count)) < 0) {
      return failure();
    }
    size -= static_cast<std::uint64_t>(count);
  }
  return success();
}

Status Packer::take(std::string_view bytes) {
  summary_.packed_bytes += bytes.size();
  if (summary_.packed_bytes > limits_.packed_bytes) {
    return too_large("packs to", limits_.packed_bytes);
  }
  try {
    return sink_(bytes);
  } catch (const std::exception& e) {  // libarchive is C and must not see it
    return Error{Errc::internal, e.what()};
  }
}

la_ssize_t Packer::write_block(::archive* writer, void* self, const void* bytes, size_t size) {
  auto* me = static_cast<Packer*>(self);
  Status taken = me->take(std::string_view(static_cast<const char*>(bytes), size));
  if (taken) return static_cast<la_ssize_t>(size);
  me->error_ = std::move(taken).error();
  archive_set_error(writer, EIO, "no more output");
  return ARCHIVE_FATAL;
}

Error Packer::failure() const {
  if (error_) return *error_;
  const char* text = archive_error_string(writer_.get());
  return {Errc::internal, fmt::format("libarchive: {}", text != nullptr ? text : "unknown error")};
}

}  // namespace

Result<PackSummary> pack_directory(const std::string& path, const ByteSink& sink,
                                   const PackOptions& options) {
  auto source = prepare(path, options);
  if (!source) return std::move(source).error().during("pack " + path);
  auto summary = Packer(sink, options).run(*source);
  if (!summary) return std::move(summary).error().during("pack " + path);
  return summary;
}

Result<Listing> preview_directory(const std::string& path, const PackOptions& options) {
  auto source = prepare(path, options);
  if (!source) return std::move(source).error().during("read " + path);
  bool has_package_json = false;
  for (const ArchiveEntry& entry : source->entries)
    has_package_json |= entry.path == "package.json";
  Listing listing{.entries = std::move(source->entries)};
  if (has_package_json) listing.package_json = read_package_json(source->root.get());
  return listing;
}

}  // namespace vibed
