// TarReader is libarchive's tar reader over Gunzip; everything libarchive reads with is in here.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "archive/gunzip.hpp"

namespace vibed::archive {

// libarchive turns names into the locale's character set. In the C locale it fails to and hands out
// the archive's own bytes, which is what we want whatever the process's locale is.
class PlainNames {
 public:
  PlainNames();
  ~PlainNames();
  PlainNames(const PlainNames&) = delete;
  PlainNames& operator=(const PlainNames&) = delete;

 private:
  locale_t plain_;
  locale_t before_;
};

// A piece of a file's content.
struct TarData {
  std::uint64_t offset = 0;
  std::string_view bytes;
};

class TarReader {
 public:
  // Both arguments outlive the object.
  TarReader(ByteSource& source, const ArchiveLimits& limits);

  // The next header, owned by the reader and good until the next call, or null at the end, when
  // nothing but zero bytes follows.
  Result<archive_entry*> next();

  // The next piece of the last header's content, good until the next call, or nothing.
  Result<std::optional<TarData>> data();

 private:
  struct Free {
    void operator()(::archive* reader) const { archive_read_free(reader); }
  };
  static la_ssize_t read_block(::archive* reader, void* self, const void** block);

  Result<std::string_view> next_block();
  Status finish();
  Error failure();

  PlainNames plain_names_;
  Gunzip gunzip_;
  std::string_view block_;        // what libarchive was given last
  std::uint64_t call_start_ = 0;  // inflated bytes when the current call of libarchive began
  bool opened_ = false;
  std::optional<Error> error_;  // why a block could not be had
  std::unique_ptr<::archive, Free> reader_;
};

}  // namespace vibed::archive
