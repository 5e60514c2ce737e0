// TarBuilder makes tar archives by hand, honest and hostile ones; it checks nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vibed::testing {

// One 512-byte ustar header as it is written; `size` need not be the size of what follows.
struct TarHeader {
  std::string name;  // at most 100 bytes go into the field, 155 more by `prefix`
  char type = '0';   // 0 file, 1 hard link, 2 symlink, 3 and 4 devices, 5 directory, 6 FIFO …
  std::uint64_t size = 0;
  unsigned mode = 0644;
  std::string link = {};
  std::string prefix = {};
  std::string magic = std::string("ustar\00000", 8);  // "ustar  \0" for GNU tar's own types
  bool good_checksum = true;
};

class TarBuilder {
 public:
  // What a tar program would write. A name or link longer than 100 bytes gets a GNU 'L' or 'K'
  // header.
  TarBuilder& file(const std::string& name, std::string_view content = {}, unsigned mode = 0644);
  TarBuilder& directory(const std::string& name);
  TarBuilder& symlink(const std::string& name, const std::string& target);
  TarBuilder& hardlink(const std::string& name, const std::string& target);

  // An entry of any type: '3' a device, '6' a FIFO …
  TarBuilder& entry(char type, const std::string& name, const std::string& link = {},
                    std::string_view content = {}, unsigned mode = 0644);

  // A pax header with these records for the next entry, or a global one.
  using Records = std::vector<std::pair<std::string, std::string>>;
  TarBuilder& pax(const Records& records);
  TarBuilder& global_pax(const Records& records);

  // A file in GNU tar's old sparse format: one run of `content` at `offset` in a file of
  // `real_size`.
  TarBuilder& sparse_file(const std::string& name, std::uint64_t real_size, std::uint64_t offset,
                          std::string_view content);

  TarBuilder& header(const TarHeader& header);    // nothing but the header
  TarBuilder& content(std::string_view content);  // padded to 512 bytes
  TarBuilder& raw(std::string_view bytes);        // as it is

  std::string unfinished() const { return bytes_; }  // without the end marker
  std::string tar() const;
  std::string tgz(int level = 6) const;

 private:
  std::string bytes_;
};

std::string gzip(std::string_view bytes, int level = 6);

// gzip of `head`, then `size` zero bytes: a bomb, made without holding what it inflates to.
std::string gzip_bomb(std::string_view head, std::uint64_t size);

// A tar.gz of these files, each {name, content}.
std::string make_tgz(const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace vibed::testing
