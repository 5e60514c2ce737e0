#include "aws/s3_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "aws/retry.hpp"
#include "base/error_codes.hpp"
#include "base/time.hpp"

namespace vibed::aws {
namespace {

bool is_any(const std::string& code, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), code) != words.end();
}

// "NoSuchBucket: The specified bucket does not exist", or the status alone.
std::string words_of(const S3Failed& failed) {
  const ServiceError& said = failed.said;
  if (said.code.empty()) return fmt::format("status {}", failed.status);
  return said.message.empty() ? said.code : fmt::format("{}: {}", said.code, said.message);
}

Error skewed(const S3Failed& failed) {
  const auto off = failed.clock_off.count();
  if (off == 0) {
    return make_error("storage_clock_skew",
                      "the source store says that this machine's clock is wrong; set it (NTP)");
  }
  return make_error(
      "storage_clock_skew",
      fmt::format("this machine's clock is {} {} the source store's, which refuses such requests; "
                  "set the clock (NTP)",
                  to_duration_text(std::chrono::seconds(std::abs(off))),
                  off > 0 ? "behind" : "ahead of"));
}

Error wrong_region(const S3Failed& failed) {
  const std::string& region = failed.said.region;
  return make_error(
      "bad_config",
      fmt::format("bucket {} is not in region {}: set storage.tarball.s3.region{} ({})",
                  failed.bucket, failed.region, region.empty() ? "" : " to " + region,
                  words_of(failed)));
}

Error denied(const S3Failed& failed) {
  return make_error(
      "storage_denied",
      fmt::format("bucket {} refuses {} to {} ({}): allow it in the bucket's or the role's policy "
                  "({})",
                  failed.bucket, failed.action, failed.origin, failed.key_id, words_of(failed)));
}

Error bad_credentials(const S3Failed& failed) {
  return make_error(
      "storage_credentials",
      fmt::format("the source store does not accept the keys of {} ({}), which were read "
                  "again: renew them ({})",
                  failed.origin, failed.key_id, words_of(failed)));
}

// Only what is surely the object's own absence: whoever is told that a source is gone gives it up.
bool is_absent(const S3Failed& failed) {
  const std::string& code = failed.said.code;
  return failed.is_head ? code.empty()
                        : is_any(code, {"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "NotFound"});
}

Error refused(const S3Failed& failed) {
  return make_error("storage_refused",
                    fmt::format("the source store at {} refuses {} ({})", failed.endpoint,
                                failed.action, words_of(failed)));
}

Error by_status(const S3Failed& failed) {
  switch (failed.status) {
    case 401: return bad_credentials(failed);
    case 403: return denied(failed);
    case 404:
      if (!is_absent(failed)) return refused(failed);
      return {Errc::not_found, "there is no such source"};
    case 409:
    case 412: return {Errc::already_exists, "there is such a source already"};
    case 507:
      return make_error("storage_full",
                        fmt::format("bucket {} is full: make room or raise its quota ({})",
                                    failed.bucket, words_of(failed)));
    default: break;
  }
  Failure failure;
  failure.status = failed.status;
  failure.code = failed.said.code;
  if (cure_of(failure) == Cure::wait) {
    return make_error("storage_unavailable",
                      fmt::format("the source store at {} is overloaded or broken; it was asked "
                                  "several times ({})",
                                  failed.endpoint, words_of(failed)));
  }
  return refused(failed);
}

}  // namespace

Error s3_error(const S3Failed& failed) {
  const std::string& code = failed.said.code;
  if (failed.status == 0) {
    const Errc why = failed.connection.code;
    if (why == Errc::cancelled || why == Errc::invalid_argument) return failed.connection;
    return make_error("storage_unavailable",
                      fmt::format("the source store at {} does not answer: {}", failed.endpoint,
                                  failed.connection.message));
  }
  if (code == "NoSuchBucket") {
    return make_error("storage_missing",
                      fmt::format("there is no bucket {} at {}: make it, or correct "
                                  "storage.tarball.s3.bucket",
                                  failed.bucket, failed.endpoint));
  }
  if (code == "RequestTimeTooSkewed" || (failed.status == 403 && is_skewed(failed.clock_off))) {
    return skewed(failed);
  }
  if (is_any(code, {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
                    "IllegalLocationConstraintException"}) ||
      failed.status == 301 || failed.status == 307) {
    return wrong_region(failed);
  }
  if (is_any(code, {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken",
                    "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken",
                    "InvalidTokenId", "NotSignedUp", "XAdminUserNotFound"})) {
    return bad_credentials(failed);
  }
  if (is_any(code, {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "StorageFull",
                    "XMinioAdminBucketQuotaExceeded", "InsufficientCapacity"})) {
    S3Failed full = failed;
    full.status = 507;
    return by_status(full);
  }
  return by_status(failed);
}

}  // namespace vibed::aws
