#include "source/s3_double.hpp"

#include "base/base64.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"

namespace vibed::testing {
namespace {

using Headers = std::map<std::string, std::string>;

const std::string kTime = "2026-11-23T01:00:00.123Z";
const std::string kHttpTime = "Mon, 23 Nov 2026 01:00:00 GMT";

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string decoded(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      result += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

Script answer_of(int status, const Headers& headers = {}, const std::string& body = "",
                 bool is_head = false) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " X\r\n";
  bool sized = false;
  for (const auto& [name, value] : headers) {
    text += name + ": " + value + "\r\n";
    sized = sized || name == "Content-Length";
  }
  if (!sized && status != 204) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return {text + "\r\n" + (is_head ? "" : body)};
}

std::string raw(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string tag(const std::string& name, const std::string& text) {
  return "<" + name + ">" + text + "</" + name + ">";
}

S3Asked parse(const Seen& seen) {
  S3Asked asked;
  asked.head = seen.head;
  asked.body = seen.body;
  const std::size_t blank = seen.head.find(' ');
  asked.method = seen.head.substr(0, blank);
  std::string target = seen.head.substr(blank + 1, seen.head.find(' ', blank + 1) - blank - 1);
  const std::size_t mark = target.find('?');
  if (mark != std::string::npos) {
    std::string rest = target.substr(mark + 1);
    target.resize(mark);
    while (!rest.empty()) {
      const std::string pair = rest.substr(0, rest.find('&'));
      rest.erase(0, std::min(pair.size() + 1, rest.size()));
      const std::size_t equals = std::min(pair.find('='), pair.size());
      asked.query[decoded(pair.substr(0, equals))] =
          equals < pair.size() ? decoded(pair.substr(equals + 1)) : "";
    }
  }
  const std::size_t slash = std::min(target.find('/', 1), target.size());
  asked.bucket = target.substr(1, slash - 1);
  if (slash < target.size()) asked.key = decoded(target.substr(slash + 1));
  return asked;
}

}  // namespace

std::string S3Asked::header(const std::string& name) const {
  const std::string line = "\r\n" + lower(name) + ": ";
  const std::size_t at = lower(head).find(line);
  if (at == std::string::npos) return "";
  const std::size_t from = at + line.size();
  return head.substr(from, head.find('\r', from) - from);
}

std::string S3Asked::what() const {
  if (query.contains("list-type")) return "LIST";
  if (query.contains("uploads")) return method + " uploads";
  if (query.contains("partNumber")) return method + " part " + query.at("partNumber");
  if (query.contains("uploadId")) return method + " upload";
  return method;
}

Script s3_failure(int status, const std::string& code, const std::string& headers) {
  const std::string body = tag("Error", tag("Code", code) + tag("Message", "said the double"));
  return {"HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers +
          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

S3Double::S3Double(Break broken) : broken_(std::move(broken)) {
  server_ = std::make_unique<ScriptedServer>([this](const Seen& seen) { return answer(seen); });
}

S3SourceOptions S3Double::options() const {
  S3SourceOptions options;
  options.endpoint = url();
  options.bucket = "b";
  options.access_key = "AK";
  options.secret_key = "SK";
  return options;
}

Script S3Double::answer(const Seen& seen) {
  const S3Asked asked = parse(seen);
  const std::string what = asked.what();
  int number = 0;
  {
    std::lock_guard lock(mutex_);
    if (what != "LIST" && what != "GET uploads") log_.push_back(what);
    number = ++counts_[what];
  }
  const S3Fault fault = broken_ ? broken_(asked, number) : S3Fault{};
  if (fault.instead) return *fault.instead;
  std::lock_guard lock(mutex_);
  Script done = perform(asked);
  return fault.cut ? Script{.bytes = "", .close = true} : done;
}

Script S3Double::perform(const S3Asked& asked) {
  if (asked.bucket != "b") return s3_failure(404, "NoSuchBucket");
  if (asked.header("X-Amz-Content-Sha256") != to_hex(sha256(asked.body))) {
    return s3_failure(400, "XAmzContentSHA256Mismatch");
  }
  const std::string what = asked.what();
  if (what == "LIST") return list(asked);
  if (what == "GET uploads") return list_uploads();
  if (asked.query.contains("uploads") || asked.query.contains("uploadId")) return of_upload(asked);
  return object(asked);
}

Script S3Double::object(const S3Asked& asked) {
  auto at = objects_.find(asked.key);
  if (asked.method == "PUT") {
    if (at != objects_.end() && asked.header("If-None-Match") == "*") {
      return s3_failure(412, "PreconditionFailed");
    }
    const std::string checksum = to_base64(raw(sha256(asked.body)));
    if (asked.header("X-Amz-Checksum-Sha256") != checksum) return s3_failure(400, "BadDigest");
    objects_[asked.key] = {asked.body,
                           {{"X-Amz-Meta-Sha256", asked.header("X-Amz-Meta-Sha256")},
                            {"X-Amz-Checksum-Sha256", checksum},
                            {"ETag", "\"" + random_hex(4) + "\""}}};
    return answer_of(200);
  }
  if (asked.method == "DELETE") {
    objects_.erase(asked.key);
    return answer_of(204);
  }
  if (at == objects_.end()) {
    return asked.method == "HEAD" ? answer_of(404) : s3_failure(404, "NoSuchKey");
  }
  Headers headers = at->second.headers;
  headers["Last-Modified"] = kHttpTime;
  const std::string& bytes = at->second.bytes;
  if (asked.method == "HEAD") {
    headers["Content-Length"] = std::to_string(bytes.size());
    return answer_of(200, headers, "", true);
  }
  if (!asked.header("If-Match").empty() && asked.header("If-Match") != headers["ETag"]) {
    return s3_failure(412, "PreconditionFailed");
  }
  headers.erase("X-Amz-Checksum-Sha256");
  const std::string range = asked.header("Range");
  if (range.empty()) return answer_of(200, headers, bytes);
  const std::size_t from = std::stoul(range.substr(6));
  const std::size_t last = std::stoul(range.substr(range.find('-') + 1));
  if (from >= bytes.size()) return s3_failure(416, "InvalidRange");
  const std::string piece = bytes.substr(from, last - from + 1);
  headers["Content-Range"] = "bytes " + std::to_string(from) + "-" +
                             std::to_string(from + piece.size() - 1) + "/" +
                             std::to_string(bytes.size());
  return answer_of(206, headers, piece);
}

Script S3Double::of_upload(const S3Asked& asked) {
  if (asked.what() == "POST uploads") {
    const std::string id = random_hex(8);
    uploads_[id] = {
        asked.key, kTime, {}, {{"X-Amz-Meta-Part-Bytes", asked.header("X-Amz-Meta-Part-Bytes")}}};
    return answer_of(200, {}, tag("InitiateMultipartUploadResult", tag("UploadId", id)));
  }
  auto at = uploads_.find(asked.query.at("uploadId"));
  if (at == uploads_.end()) return s3_failure(404, "NoSuchUpload");
  if (asked.method == "DELETE") {
    uploads_.erase(at);
    return answer_of(204);
  }
  if (asked.method == "PUT") {
    const std::string checksum = to_base64(raw(sha256(asked.body)));
    if (asked.header("X-Amz-Checksum-Sha256") != checksum) return s3_failure(400, "BadDigest");
    at->second.parts[std::stoi(asked.query.at("partNumber"))] = asked.body;
    return answer_of(200, {{"ETag", "\"e" + asked.query.at("partNumber") + "\""}});
  }
  if (objects_.contains(asked.key)) return s3_failure(412, "PreconditionFailed");
  Object made{"", at->second.headers};
  std::string digests;
  for (const auto& [number, bytes] : at->second.parts) {
    made.bytes += bytes;
    digests += raw(sha256(bytes));
  }
  made.headers["ETag"] = "\"" + random_hex(4) + "\"";
  made.headers["X-Amz-Checksum-Sha256"] =
      to_base64(raw(sha256(digests))) + "-" + std::to_string(at->second.parts.size());
  objects_[asked.key] = std::move(made);
  uploads_.erase(at);
  return answer_of(200, {}, tag("CompleteMultipartUploadResult", tag("ETag", "x")));
}

Script S3Double::list(const S3Asked& asked) {
  const std::size_t most = std::min(page, std::stoul(asked.query.at("max-keys")));
  const std::string prefix = asked.query.contains("prefix") ? asked.query.at("prefix") : "";
  const std::string after =
      asked.query.contains("continuation-token") ? asked.query.at("continuation-token") : "";
  std::string body;
  std::size_t count = 0;
  std::string last;
  bool truncated = false;
  for (const auto& [key, object] : objects_) {
    const bool folded = key.find('/', prefix.size()) != std::string::npos;
    if (key <= after || !key.starts_with(prefix) || folded) continue;
    if (count == most) {
      truncated = true;
      break;
    }
    ++count;
    last = key;
    body += tag("Contents", tag("Key", key) + tag("LastModified", kTime) +
                                tag("Size", std::to_string(object.bytes.size())));
  }
  body += tag("IsTruncated", truncated ? "true" : "false");
  if (truncated) body += tag("NextContinuationToken", last);
  return answer_of(200, {}, tag("ListBucketResult", body));
}

Script S3Double::list_uploads() {
  std::string body = tag("IsTruncated", "false");
  for (const auto& [id, upload] : uploads_) {
    body += tag("Upload",
                tag("Key", upload.key) + tag("UploadId", id) + tag("Initiated", upload.initiated));
  }
  return answer_of(200, {}, tag("ListMultipartUploadsResult", body));
}

std::vector<std::string> S3Double::log() {
  std::lock_guard lock(mutex_);
  return log_;
}

int S3Double::count(const std::string& what) {
  std::lock_guard lock(mutex_);
  return counts_[what];
}

std::map<std::string, std::string> S3Double::objects() {
  std::lock_guard lock(mutex_);
  std::map<std::string, std::string> all;
  for (const auto& [key, object] : objects_) all[key] = object.bytes;
  return all;
}

void S3Double::put_object(const std::string& key, const std::string& bytes) {
  std::lock_guard lock(mutex_);
  objects_[key] = {bytes, {{"ETag", "\"" + random_hex(4) + "\""}}};
}

void S3Double::put_upload(const std::string& key, const std::string& id, std::chrono::hours age) {
  std::lock_guard lock(mutex_);
  uploads_[id] = {key, to_rfc3339(std::chrono::system_clock::now() - age), {}, {}};
}

std::vector<std::string> S3Double::uploads() {
  std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, upload] : uploads_) ids.push_back(id);
  return ids;
}

}  // namespace vibed::testing
