#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/base64.hpp"
#include "base/error_codes.hpp"
#include "base/ids.hpp"
#include "source/s3_object.hpp"

namespace vibed {
namespace {

std::string raw(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
  return bad == std::errc() && end == text.data() + text.size() ? number : 0;
}

Error damaged(const std::string& what) {
  return make_error("source_damaged",
                    "the source store gave other bytes than were stored: " + what);
}

class S3Source final : public ByteSource {
 public:
  S3Source(std::shared_ptr<aws::S3Client> client, std::string name, std::size_t piece_bytes)
      : client_(std::move(client)), name_(std::move(name)), piece_bytes_(piece_bytes) {}

  // Gets the first piece and all that is known of the object.
  Status open() {
    auto answer = get(0);
    if (!answer) return answer.error();
    if (answer->status == 416) return success();  // an empty object has no ranges
    etag_ = answer->header("ETag");
    sha256_ = answer->header("X-Amz-Meta-Sha256");
    const std::string_view range = answer->header("Content-Range");
    if (answer->status != 206) {  // a store without ranges gives all there is
      size_ = answer->body.size();
      return take(std::move(answer->body), size_);
    }
    size_ = number_of(range.substr(range.rfind('/') + 1));
    if (size_ > piece_bytes_) {
      auto facts = facts_of(*client_, name_);
      if (!facts) return facts.error();
      // Parts are compared with pieces: they must be the same ones.
      if (facts->part_bytes == piece_bytes_) checksum_ = facts->checksum;
    }
    return take(std::move(answer->body), std::min<std::uint64_t>(piece_bytes_, size_));
  }

  Result<std::size_t> read(std::span<char> buffer) override {
    if (at_ == piece_.size() && offset_ < size_) {
      if (Status next = next_piece(); !next) return next.error();
    }
    const std::size_t count = std::min(buffer.size(), piece_.size() - at_);
    std::memcpy(buffer.data(), piece_.data() + at_, count);
    at_ += count;
    if (count == 0) return finish();
    return count;
  }

 private:
  Result<fetch::Response> get(std::uint64_t from) {
    aws::S3Request request{.action = "s3:GetObject", .key = name_};
    request.headers = {{"Range", fmt::format("bytes={}-{}", from, from + piece_bytes_ - 1)}};
    if (!etag_.empty()) request.headers.emplace_back("If-Match", etag_);
    if (from == 0) request.accepted = {416};
    return client_->send(std::move(request));
  }

  Status next_piece() {
    auto answer = get(offset_);
    if (!answer && answer.error().code == Errc::already_exists) return damaged("it was replaced");
    if (!answer) return answer.error();
    if (answer->status != 206) return damaged("no part of it where one was asked for");
    return take(std::move(answer->body), std::min<std::uint64_t>(piece_bytes_, size_ - offset_));
  }

  Status take(std::string bytes, std::uint64_t wanted) {
    piece_ = std::move(bytes);
    at_ = 0;
    offset_ += piece_.size();
    if (piece_.size() != wanted) return damaged("a piece of another size");
    if (!sha256_.empty()) whole_.update(piece_);
    if (!checksum_.empty()) {
      of_parts_.update(raw(sha256(piece_)));
      ++parts_;
    }
    return success();
  }

  // At the end: whether these were the bytes.
  Result<std::size_t> finish() {
    if (std::exchange(finished_, true)) return std::size_t{0};
    if (!sha256_.empty() && to_hex(whole_.finish()) != sha256_) return damaged("another SHA-256");
    if (!checksum_.empty() &&
        fmt::format("{}-{}", to_base64(raw(of_parts_.finish())), parts_) != checksum_) {
      return damaged("another checksum");
    }
    return std::size_t{0};
  }

  const std::shared_ptr<aws::S3Client> client_;
  const std::string name_;
  const std::size_t piece_bytes_;
  std::uint64_t size_ = 0;
  std::uint64_t offset_ = 0;  // of what comes after piece_
  std::string etag_;
  std::string sha256_;    // "": not known
  std::string checksum_;  // of the parts; "": not known
  Sha256 whole_;
  Sha256 of_parts_;
  std::size_t parts_ = 0;
  bool finished_ = false;
  std::string piece_;
  std::size_t at_ = 0;
};

}  // namespace

Result<S3Facts> facts_of(aws::S3Client& client, const std::string& name) {
  aws::S3Request request{.action = "s3:GetObject", .method = "HEAD", .key = name};
  request.headers = {{"X-Amz-Checksum-Mode", "ENABLED"}};
  auto answer = client.send(std::move(request));
  if (!answer) return answer.error();
  const auto modified = fetch::parse_http_date(answer->header("Last-Modified"));
  if (!modified) return make_error("storage_unavailable", "the source store tells no time");
  S3Facts facts;
  facts.size = number_of(answer->header("Content-Length"));
  facts.modified = *modified;
  facts.sha256 = answer->header("X-Amz-Meta-Sha256");
  facts.checksum = answer->header("X-Amz-Checksum-Sha256");
  facts.part_bytes = number_of(answer->header("X-Amz-Meta-Part-Bytes"));
  facts.etag = answer->header("ETag");
  return facts;
}

Result<std::unique_ptr<ByteSource>> open_s3_object(std::shared_ptr<aws::S3Client> client,
                                                   const std::string& name,
                                                   std::size_t piece_bytes) {
  auto source = std::make_unique<S3Source>(std::move(client), name, piece_bytes);
  if (Status opened = source->open(); !opened) return opened.error();
  return std::unique_ptr<ByteSource>(std::move(source));
}

}  // namespace vibed
