#include "archive/walk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "archive/path.hpp"
#include "archive/tar_reader.hpp"
#include "base/error_codes.hpp"

namespace vibed::archive {
namespace {

std::string_view text_of(const char* text) { return text != nullptr ? text : std::string_view(); }

class Walk {
 public:
  Walk(const ArchiveLimits& limits, Visitor& visitor)
      : limits_(limits), visitor_(visitor), tree_(limits.entries) {}

  Result<Walked> run(TarReader& reader);

 private:
  Status visit(TarReader& reader, archive_entry* header);
  Result<ArchiveEntry> parse(archive_entry* header);
  Status pass_on(TarReader& reader, const ArchiveEntry& entry);
  Status skip(TarReader& reader);

  const ArchiveLimits& limits_;
  Visitor& visitor_;
  Tree tree_;
  std::uint64_t headers_ = 0;
  std::uint64_t written_ = 0;
};

Result<Walked> Walk::run(TarReader& reader) {
  for (;;) {
    auto header = reader.next();
    if (!header) return std::move(header).error();
    if (*header == nullptr) break;
    if (++headers_ > limits_.entries) {
      return make_error("archive_too_large",
                        fmt::format("the archive has more than {} entries", limits_.entries));
    }
    if (Status visited = visit(reader, *header); !visited) return std::move(visited).error();
  }
  std::string wrapper = tree_.wrapper();
  if (Status inside = tree_.check_links(wrapper); !inside) return std::move(inside).error();
  return Walked{std::move(tree_), std::move(wrapper)};
}

Status Walk::visit(TarReader& reader, archive_entry* header) {
  auto entry = parse(header);
  if (!entry) return std::move(entry).error();
  if (entry->path.empty() || is_cruft(entry->path)) return skip(reader);
  written_ += entry->size;
  if (entry->size > limits_.unpacked_bytes || written_ > limits_.unpacked_bytes) {
    return make_error("archive_too_large", fmt::format("the archive unpacks to more than {} bytes",
                                                       limits_.unpacked_bytes));
  }
  auto change = tree_.add(*entry);
  if (!change) return std::move(change).error();
  if (Status seen = visitor_.entry(*entry, *change); !seen) return seen;
  return entry->type == EntryType::file ? pass_on(reader, *entry) : skip(reader);
}

Result<ArchiveEntry> Walk::parse(archive_entry* header) {
  const char* raw = archive_entry_pathname(header);
  if (raw == nullptr || *raw == '\0') {
    return make_error("bad_archive", "the archive has an entry without a name");
  }
  auto path = clean_path(raw, limits_.path_bytes);
  if (!path) return std::move(path).error();
  ArchiveEntry entry{.path = *std::move(path)};

  if (const char* target = archive_entry_hardlink(header)) {
    auto clean = clean_path(target, limits_.path_bytes);
    if (!clean) return std::move(clean).error().during("hard link " + shown(raw));
    entry.type = EntryType::hardlink;
    entry.target = *std::move(clean);
    if (entry.path.empty()) return unsafe(raw, "is the source itself, as a link");
    return entry;
  }
  switch (archive_entry_filetype(header)) {
    case AE_IFDIR: entry.type = EntryType::directory; return entry;
    case AE_IFREG:
      if (entry.path.empty()) return unsafe(raw, "is the source itself, as a file");
      entry.size = static_cast<std::uint64_t>(std::max<la_int64_t>(archive_entry_size(header), 0));
      entry.executable = (archive_entry_perm(header) & 0111U) != 0;
      return entry;
    case AE_IFLNK: {
      entry.type = EntryType::symlink;
      entry.target = text_of(archive_entry_symlink(header));
      if (entry.path.empty()) return unsafe(raw, "is the source itself, as a link");
      if (is_cruft(entry.path)) return entry;
      Status fine = check_link_text(raw, entry.target, limits_.path_bytes);
      if (!fine) return std::move(fine).error();
      return entry;
    }
    default: return unsafe(raw, "is a device, a FIFO or a socket");
  }
}

Status Walk::pass_on(TarReader& reader, const ArchiveEntry& entry) {
  for (;;) {
    auto piece = reader.data();
    if (!piece) return std::move(piece).error();
    if (!*piece) return success();
    const auto& [offset, bytes] = **piece;
    if (bytes.empty()) continue;
    if (offset > entry.size || bytes.size() > entry.size - offset) {
      return make_error("bad_archive",
                        fmt::format("entry {} has more content than it says", shown(entry.path)));
    }
    if (Status taken = visitor_.data(offset, bytes); !taken) return taken;
  }
}

Status Walk::skip(TarReader& reader) {
  for (;;) {
    auto piece = reader.data();
    if (!piece) return std::move(piece).error();
    if (!*piece) return success();
  }
}

}  // namespace

Result<Walked> walk_archive(ByteSource& source, const ArchiveLimits& limits, Visitor& visitor) {
  TarReader reader(source, limits);
  return Walk(limits, visitor).run(reader);
}

}  // namespace vibed::archive
