#include "archive/tar_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <new>
#include <utility>

namespace vibed::archive {
namespace {

// What libarchive may read in one call: a header with its extensions, or a piece of content. It
// keeps the map of a sparse file in memory, at twelve times its size, and would read one of any
// length.
constexpr std::uint64_t kMaxCallBytes = 4 * 1024 * 1024;

bool all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

}  // namespace

PlainNames::PlainNames() : plain_(newlocale(LC_ALL_MASK, "C", nullptr)) {
  before_ = uselocale(plain_);
}

PlainNames::~PlainNames() {
  uselocale(before_);
  freelocale(plain_);
}

TarReader::TarReader(ByteSource& source, const ArchiveLimits& limits)
    : gunzip_(source, limits), reader_(archive_read_new()) {
  if (!reader_) throw std::bad_alloc();
  // Tar alone, and no filter at all: nothing is guessed from the content.
  archive_read_support_format_tar(reader_.get());
}

Result<archive_entry*> TarReader::next() {
  call_start_ = gunzip_.inflated();
  if (!std::exchange(opened_, true) &&
      archive_read_open(reader_.get(), this, nullptr, &TarReader::read_block, nullptr) !=
          ARCHIVE_OK) {
    return failure();
  }
  archive_entry* entry = nullptr;
  int status = archive_read_next_header(reader_.get(), &entry);
  if (error_) return *error_;
  if (status == ARCHIVE_EOF) {
    if (Status done = finish(); !done) return std::move(done).error();
    return nullptr;
  }
  // A warning is a name that did not become one of the C locale, or an extension nobody knows.
  if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return failure();
  return entry;
}

Result<std::optional<TarData>> TarReader::data() {
  const void* bytes = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  call_start_ = gunzip_.inflated();
  int status = archive_read_data_block(reader_.get(), &bytes, &size, &offset);
  if (error_) return *error_;
  if (status == ARCHIVE_EOF) return std::optional<TarData>();
  if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return failure();
  if (offset < 0) return bad("the archive has a file with a negative offset");
  std::string_view view(static_cast<const char*>(bytes), bytes == nullptr ? 0 : size);
  return std::optional<TarData>({static_cast<std::uint64_t>(offset), view});
}

// libarchive stops at the end marker. What follows must be padding, and the gzip stream must end.
Status TarReader::finish() {
  auto consumed = static_cast<std::uint64_t>(archive_filter_bytes(reader_.get(), 0));
  std::uint64_t left = gunzip_.inflated() - std::min(consumed, gunzip_.inflated());
  std::string_view rest =
      block_.substr(block_.size() - std::min<std::uint64_t>(left, block_.size()));
  for (;;) {
    if (!all_zero(rest)) return bad("the archive goes on after the end of its tar stream");
    auto block = next_block();
    if (!block) return std::move(block).error();
    if (block->empty()) return success();
    rest = *block;
  }
}

Result<std::string_view> TarReader::next_block() {
  try {
    return gunzip_.next();
  } catch (const std::exception& e) {  // a caller's source; libarchive is C and must not see it
    return Error{Errc::internal, e.what()};
  }
}

la_ssize_t TarReader::read_block(::archive* reader, void* self, const void** block) {
  auto* me = static_cast<TarReader*>(self);
  auto bytes = me->next_block();
  if (bytes && me->gunzip_.inflated() - me->call_start_ > kMaxCallBytes) {
    bytes = bad("the archive has an entry with a header of several megabytes");
  }
  if (!bytes) {
    me->error_ = std::move(bytes).error();
    archive_set_error(reader, EIO, "no more input");
    return ARCHIVE_FATAL;
  }
  me->block_ = *bytes;
  *block = bytes->data();
  return static_cast<la_ssize_t>(bytes->size());
}

Error TarReader::failure() {
  if (error_) return *error_;
  const char* text = archive_error_string(reader_.get());
  return bad(fmt::format("the archive is not tar or is damaged ({})",
                         text != nullptr ? text : "unknown reason"));
}

}  // namespace vibed::archive
