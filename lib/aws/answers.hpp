// What the services of AWS answer, read into values. Pure; no answer of a service can make it fail
// otherwise than with an Error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fetch/sigv4.hpp"
#include "vibed/result.hpp"

namespace vibed::aws {

using Time = std::chrono::system_clock::time_point;

struct Credentials {
  fetch::AwsKeys keys;
  std::optional<Time> expires = {};  // nothing: never
  std::string origin = {};           // "the environment"; where they are from, for messages
};

// Of a container's service or the instance's: JSON with AccessKeyId and so on.
Result<Credentials> parse_credential_document(std::string_view json);

// Of STS: AssumeRole or AssumeRoleWithWebIdentity.
Result<Credentials> parse_sts_answer(std::string_view xml);

// <Error> as S3 and STS write it, whatever it is wrapped in. All empty for what is none.
struct ServiceError {
  std::string code = {};     // "NoSuchBucket"
  std::string message = {};  // one line
  std::string region = {};   // the bucket's, where the request went to another one
};
ServiceError parse_service_error(std::string_view xml);

struct ListedObject {
  std::string key;
  std::uint64_t size = 0;
  Time modified = {};
};
struct ObjectPage {
  std::vector<ListedObject> objects;
  std::string next;  // the continuation token of the next page; "": this is the last
};
Result<ObjectPage> parse_object_page(std::string_view xml);

struct ListedUpload {
  std::string key;
  std::string id;
  Time initiated = {};
};
struct UploadPage {
  std::vector<ListedUpload> uploads;
  std::string next_key;  // both empty: this is the last
  std::string next_id;
};
Result<UploadPage> parse_upload_page(std::string_view xml);

// The id of a multipart upload that has begun.
Result<std::string> parse_upload_begun(std::string_view xml);

// Whether the answer, whose status says 200 either way, tells that an upload was completed.
bool is_upload_complete(std::string_view xml);

// What completes an upload.
struct UploadedPart {
  std::string etag;
  std::string checksum;  // SHA-256 in Base64
};
std::string complete_upload_text(const std::vector<UploadedPart>& parts);

}  // namespace vibed::aws
