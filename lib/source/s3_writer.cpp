#include <fmt/format.h>

#include "base/base64.hpp"
#include "base/error_codes.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "source/s3_object.hpp"

namespace vibed {
namespace {

constexpr std::size_t kMostParts = 10'000;
const std::pair<std::string, std::string> kType{"Content-Type", "application/gzip"};

std::string raw(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// Up to `size` bytes; fewer only at the end.
Result<std::string> read_part(ByteSource& bytes, std::size_t size) {
  std::string part;
  std::size_t have = 0;
  while (have < size) {
    if (have == part.size()) part.resize(std::min(size, std::max<std::size_t>(65536, 2 * have)));
    auto count = bytes.read({part.data() + have, part.size() - have});
    if (!count) return count.error();
    if (*count == 0) break;
    have += *count;
  }
  part.resize(have);
  return part;
}

}  // namespace

Result<S3Written> S3Writer::write(const std::string& name, ByteSource& bytes) {
  auto first = read_part(bytes, part_bytes_);
  if (!first) return first.error();
  std::string second;
  if (first->size() == part_bytes_) {
    auto read = read_part(bytes, part_bytes_);
    if (!read) return read.error();
    second = *std::move(read);
  }
  if (second.empty()) return write_whole(name, *std::move(first));
  return write_parts(name, *std::move(first), std::move(second), bytes);
}

Result<S3Written> S3Writer::write_whole(const std::string& name, std::string bytes) {
  const Sha256Digest digest = sha256(bytes);
  S3Written written{bytes.size(), to_hex(digest), to_base64(raw(digest))};
  aws::S3Request request{.action = "s3:PutObject", .method = "PUT", .key = name};
  request.headers = {
      kType, {"X-Amz-Checksum-Sha256", written.checksum}, {"X-Amz-Meta-Sha256", written.sha256}};
  request.body = std::move(bytes);
  // The name is new: what is there already was made by an attempt whose answer was lost. The caller
  // looks at it.
  request.only_new = true;
  request.accepted = {412};
  auto answer = client_.send(std::move(request));
  if (!answer) return answer.error();
  return written;
}

Result<S3Written> S3Writer::write_parts(const std::string& name, std::string first,
                                        std::string second, ByteSource& rest) {
  aws::S3Request begin{.action = "s3:PutObject", .method = "POST", .key = name};
  begin.query = {{"uploads", ""}};
  begin.headers = {kType,
                   {"X-Amz-Checksum-Algorithm", "SHA256"},
                   {"X-Amz-Meta-Part-Bytes", std::to_string(part_bytes_)}};
  auto answer = client_.send(std::move(begin));
  if (!answer) return answer.error();
  auto upload = aws::parse_upload_begun(answer->body);
  if (!upload) return upload.error();
  auto written = send_parts(name, *upload, std::move(first), std::move(second), rest);
  if (written) return written;
  if (Status aborted = abort_upload(client_, name, *upload); !aborted) {
    log::warn("an upload could not be ended and is left to the sweep",
              {{"error", aborted.error().message}});
  }
  return written;
}

Result<S3Written> S3Writer::send_parts(const std::string& name, const std::string& upload,
                                       std::string first, std::string second, ByteSource& rest) {
  S3Written written;
  Sha256 whole;
  Sha256 of_parts;
  std::vector<aws::UploadedPart> parts;
  std::string part = std::move(first);
  std::string next = std::move(second);
  while (!part.empty()) {
    if (parts.size() == kMostParts) {
      return make_error("payload_too_large", "a source of more than 10000 parts");
    }
    written.size += part.size();
    whole.update(part);
    of_parts.update(raw(sha256(part)));
    auto sent = send_part(name, upload, parts.size() + 1, std::move(part));
    if (!sent) return sent.error();
    parts.push_back(*std::move(sent));
    part = std::exchange(next, {});
    if (part.size() < part_bytes_) continue;
    auto read = read_part(rest, part_bytes_);
    if (!read) return read.error();
    next = *std::move(read);
  }
  if (Status done = complete(name, upload, parts); !done) return done.error();
  written.sha256 = to_hex(whole.finish());
  written.checksum = fmt::format("{}-{}", to_base64(raw(of_parts.finish())), parts.size());
  return written;
}

Result<aws::UploadedPart> S3Writer::send_part(const std::string& name, const std::string& upload,
                                              std::size_t number, std::string bytes) {
  aws::UploadedPart part;
  part.checksum = to_base64(raw(sha256(bytes)));
  aws::S3Request request{.action = "s3:PutObject", .method = "PUT", .key = name};
  request.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload}};
  request.headers = {{"X-Amz-Checksum-Sha256", part.checksum}};
  request.body = std::move(bytes);
  auto answer = client_.send(std::move(request));
  if (!answer) return answer.error();
  part.etag = answer->header("ETag");
  if (part.etag.empty()) {
    return make_error("storage_unavailable", "the source store gave a part no ETag");
  }
  return part;
}

Status S3Writer::complete(const std::string& name, const std::string& upload,
                          const std::vector<aws::UploadedPart>& parts) {
  aws::S3Request request{.action = "s3:PutObject", .method = "POST", .key = name};
  request.query = {{"uploadId", upload}};
  request.headers = {{"Content-Type", "application/xml"}};
  request.body = aws::complete_upload_text(parts);
  request.may_fail_late = true;
  request.only_new = true;
  request.accepted = {412};
  auto answer = client_.send(std::move(request));
  // Gone, or there already: completed by an attempt whose answer was lost, as above.
  if (!answer && answer.error().code == Errc::not_found) return success();
  if (!answer) return answer.error();
  if (answer->status == 200 && !aws::is_upload_complete(answer->body)) {
    return make_error("storage_unavailable", "the source store did not say that it has all parts");
  }
  return success();
}

Status abort_upload(aws::S3Client& client, const std::string& name, const std::string& upload) {
  aws::S3Request request{.action = "s3:AbortMultipartUpload", .method = "DELETE", .key = name};
  request.query = {{"uploadId", upload}};
  auto answer = client.send(std::move(request));
  if (answer || answer.error().code == Errc::not_found) return success();
  return answer.error();
}

}  // namespace vibed
