#include "support/tar_builder.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace vibed::testing {
namespace {

constexpr std::size_t kBlock = 512;
const std::string kGnuMagic("ustar  \0", 8);

void put(std::string& block, std::size_t offset, std::size_t width, std::string_view text) {
  block.replace(offset, std::min(width, text.size()), text.substr(0, width));
}

// Octal digits and a NUL, or GNU's base 256 when the number needs more.
std::string number(std::uint64_t value, std::size_t width) {
  if (value >> (3 * (width - 1)) == 0) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(width - 1),
                  static_cast<unsigned long long>(value));
    return text;
  }
  std::string binary(width, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    binary[width - 1 - i] = static_cast<char>(value >> (8 * i) & 0xff);
  }
  binary[0] = static_cast<char>(0x80);
  return binary;
}

void seal(std::string& block, bool good) {
  block.replace(148, 8, 8, ' ');
  unsigned sum = good ? 0 : 1;
  for (char c : block) sum += static_cast<unsigned char>(c);
  char text[16];
  std::snprintf(text, sizeof text, "%06o", sum & 0777777U);
  put(block, 148, 7, std::string_view(text, 7));
}

std::string header_block(const TarHeader& header) {
  std::string block(kBlock, '\0');
  put(block, 0, 100, header.name);
  put(block, 100, 8, number(header.mode, 8));
  put(block, 108, 8, number(0, 8));
  put(block, 116, 8, number(0, 8));
  put(block, 124, 12, number(header.size, 12));
  put(block, 136, 12, number(0, 12));
  block[156] = header.type;
  put(block, 157, 100, header.link);
  put(block, 257, 8, header.magic);
  put(block, 345, 155, header.prefix);
  seal(block, header.good_checksum);
  return block;
}

std::string pax_records(const TarBuilder::Records& records) {
  std::string text;
  for (const auto& [key, value] : records) {
    std::string rest = " " + key + "=" + value + "\n";
    std::size_t length = rest.size() + 1;
    while (std::to_string(length).size() + rest.size() != length) ++length;
    text += std::to_string(length) + rest;
  }
  return text;
}

class Deflater {
 public:
  explicit Deflater(int level) {
    if (deflateInit2(&stream_, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      std::abort();
    }
  }
  ~Deflater() { deflateEnd(&stream_); }

  void add(std::string_view bytes, int flush) {
    std::array<unsigned char, 65536> buffer;
    std::string input(bytes);
    stream_.next_in = reinterpret_cast<unsigned char*>(input.data());
    stream_.avail_in = static_cast<unsigned>(input.size());
    do {
      stream_.next_out = buffer.data();
      stream_.avail_out = static_cast<unsigned>(buffer.size());
      deflate(&stream_, flush);
      out_.append(reinterpret_cast<char*>(buffer.data()), buffer.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
  }

  std::string finish() {
    add({}, Z_FINISH);
    return std::move(out_);
  }

 private:
  z_stream stream_ = {};
  std::string out_;
};

}  // namespace

TarBuilder& TarBuilder::file(const std::string& name, std::string_view content, unsigned mode) {
  return entry('0', name, {}, content, mode);
}

TarBuilder& TarBuilder::directory(const std::string& name) {
  return entry('5', name.ends_with('/') ? name : name + "/", {}, {}, 0755);
}

TarBuilder& TarBuilder::symlink(const std::string& name, const std::string& target) {
  return entry('2', name, target, {}, 0777);
}

TarBuilder& TarBuilder::hardlink(const std::string& name, const std::string& target) {
  return entry('1', name, target);
}

TarBuilder& TarBuilder::entry(char type, const std::string& name, const std::string& link,
                              std::string_view body, unsigned mode) {
  auto too_long = [this](char long_type, const std::string& text) {
    header(
        {.name = "././@LongLink", .type = long_type, .size = text.size() + 1, .magic = kGnuMagic});
    content(text + '\0');
  };
  if (name.size() > 100) too_long('L', name);
  if (link.size() > 100) too_long('K', link);
  header({.name = name, .type = type, .size = body.size(), .mode = mode, .link = link});
  return content(body);
}

TarBuilder& TarBuilder::pax(const Records& records) {
  return entry('x', "pax", {}, pax_records(records));
}

TarBuilder& TarBuilder::global_pax(const Records& records) {
  return entry('g', "pax_global_header", {}, pax_records(records));
}

TarBuilder& TarBuilder::sparse_file(const std::string& name, std::uint64_t real_size,
                                    std::uint64_t offset, std::string_view body) {
  std::string block =
      header_block({.name = name, .type = 'S', .size = body.size(), .magic = kGnuMagic});
  put(block, 386, 12, number(offset, 12));
  put(block, 398, 12, number(body.size(), 12));
  put(block, 410, 12, number(real_size, 12));
  put(block, 422, 12, number(0, 12));
  put(block, 483, 12, number(real_size, 12));
  seal(block, true);
  bytes_ += block;
  return content(body);
}

TarBuilder& TarBuilder::header(const TarHeader& header) { return raw(header_block(header)); }

TarBuilder& TarBuilder::content(std::string_view content) {
  bytes_ += content;
  bytes_.append((kBlock - bytes_.size() % kBlock) % kBlock, '\0');
  return *this;
}

TarBuilder& TarBuilder::raw(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

std::string TarBuilder::tar() const { return bytes_ + std::string(2 * kBlock, '\0'); }

std::string TarBuilder::tgz(int level) const { return gzip(tar(), level); }

std::string gzip(std::string_view bytes, int level) {
  Deflater deflater(level);
  deflater.add(bytes, Z_NO_FLUSH);
  return deflater.finish();
}

std::string gzip_bomb(std::string_view head, std::uint64_t size) {
  Deflater deflater(9);
  deflater.add(head, Z_NO_FLUSH);
  const std::string zeros(1 << 20, '\0');
  for (; size > 0; size -= std::min<std::uint64_t>(size, zeros.size())) {
    deflater.add(std::string_view(zeros).substr(0, size), Z_NO_FLUSH);
  }
  return deflater.finish();
}

std::string make_tgz(const std::vector<std::pair<std::string, std::string>>& files) {
  TarBuilder tar;
  for (const auto& [name, content] : files) tar.file(name, content);
  return tar.tgz();
}

}  // namespace vibed::testing
