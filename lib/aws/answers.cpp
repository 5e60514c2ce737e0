#include "aws/answers.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <sstream>

#include "base/error_codes.hpp"
#include "base/time.hpp"

namespace vibed::aws {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestMessage = 300;

Error strange(std::string what) {
  return make_error("storage_unavailable", "not an answer of " + std::move(what));
}

bool load(pugi::xml_document& document, std::string_view xml) {
  return document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
}

// Names may come with a namespace's prefix.
std::string_view local(const pugi::xml_node& node) {
  std::string_view name = node.name();
  return name.substr(name.find(':') + 1);
}

pugi::xml_node child(const pugi::xml_node& parent, std::string_view name) {
  return parent.find_child([&](const pugi::xml_node& node) { return local(node) == name; });
}

std::string text_of(const pugi::xml_node& parent, std::string_view name) {
  return child(parent, name).child_value();
}

pugi::xml_node find(const pugi::xml_node& below, std::string_view name) {
  return below.find_node([&](const pugi::xml_node& node) { return local(node) == name; });
}

// Foreign text on its way into a message: one line, not too long.
std::string clean(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
  }
  if (text.size() > kLongestMessage) {
    text.resize(kLongestMessage);
    text += "…";
  }
  return text;
}

// A continuation or id that does not fit a line of HTTP is none of S3's.
bool is_opaque(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 127; });
}

std::string string_of(const Json& object, const char* name) {
  auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

// Keys go into headers.
Result<Credentials> checked(Credentials credentials, const std::string& expires,
                            const std::string& what) {
  const fetch::AwsKeys& keys = credentials.keys;
  if (keys.id.empty() || keys.secret.empty() || !is_opaque(keys.id) || !is_opaque(keys.session)) {
    return make_error("storage_credentials", what + " has no usable keys");
  }
  if (expires.empty()) return credentials;
  credentials.expires = parse_rfc3339(expires);
  if (!credentials.expires) {
    return make_error("storage_credentials", what + " has keys with a strange end");
  }
  return credentials;
}

}  // namespace

Result<Credentials> parse_credential_document(std::string_view json) {
  const Json document = Json::parse(json, nullptr, false);
  const std::string what = "the answer of the credential service";
  if (!document.is_object()) return make_error("storage_credentials", what + " is not JSON");
  const std::string code = string_of(document, "Code");
  if (!code.empty() && code != "Success") {
    std::string why = string_of(document, "Message");
    why = code + (why.empty() ? "" : ": ") + why;
    return make_error("storage_credentials", "the credential service says " + clean(why));
  }
  Credentials credentials;
  credentials.keys = {string_of(document, "AccessKeyId"), string_of(document, "SecretAccessKey"),
                      string_of(document, "Token")};
  return checked(std::move(credentials), string_of(document, "Expiration"), what);
}

Result<Credentials> parse_sts_answer(std::string_view xml) {
  pugi::xml_document document;
  const std::string what = "the answer of STS";
  if (!load(document, xml)) return make_error("storage_credentials", what + " is not XML");
  const pugi::xml_node node = find(document, "Credentials");
  Credentials credentials;
  credentials.keys = {text_of(node, "AccessKeyId"), text_of(node, "SecretAccessKey"),
                      text_of(node, "SessionToken")};
  return checked(std::move(credentials), text_of(node, "Expiration"), what);
}

ServiceError parse_service_error(std::string_view xml) {
  pugi::xml_document document;
  if (!load(document, xml)) return {};
  const pugi::xml_node node = find(document, "Error");
  return {clean(text_of(node, "Code")), clean(text_of(node, "Message")),
          clean(text_of(node, "Region"))};
}

Result<ObjectPage> parse_object_page(std::string_view xml) {
  pugi::xml_document document;
  load(document, xml);
  const pugi::xml_node root = child(document, "ListBucketResult");
  if (!root) return strange("a list of objects");
  ObjectPage page;
  for (const pugi::xml_node& node : root.children()) {
    if (local(node) != "Contents") continue;
    const auto modified = parse_rfc3339(text_of(node, "LastModified"));
    const long long size = child(node, "Size").text().as_llong(-1);
    std::string key = text_of(node, "Key");
    if (key.empty() || !modified || size < 0) return strange("a list of objects");
    page.objects.push_back({std::move(key), static_cast<std::uint64_t>(size), *modified});
  }
  if (text_of(root, "IsTruncated") == "true") {
    page.next = text_of(root, "NextContinuationToken");
    if (page.next.empty() || !is_opaque(page.next)) return strange("a list of objects");
  }
  return page;
}

Result<UploadPage> parse_upload_page(std::string_view xml) {
  pugi::xml_document document;
  load(document, xml);
  const pugi::xml_node root = child(document, "ListMultipartUploadsResult");
  if (!root) return strange("a list of uploads");
  UploadPage page;
  for (const pugi::xml_node& node : root.children()) {
    if (local(node) != "Upload") continue;
    const auto initiated = parse_rfc3339(text_of(node, "Initiated"));
    ListedUpload upload{text_of(node, "Key"), text_of(node, "UploadId")};
    if (upload.key.empty() || upload.id.empty() || !initiated) return strange("a list of uploads");
    upload.initiated = *initiated;
    page.uploads.push_back(std::move(upload));
  }
  if (text_of(root, "IsTruncated") == "true") {
    page.next_key = text_of(root, "NextKeyMarker");
    page.next_id = text_of(root, "NextUploadIdMarker");
    if (page.next_key.empty()) return strange("a list of uploads");
  }
  return page;
}

Result<std::string> parse_upload_begun(std::string_view xml) {
  pugi::xml_document document;
  load(document, xml);
  std::string id = text_of(child(document, "InitiateMultipartUploadResult"), "UploadId");
  if (id.empty()) return strange("an upload that begins");
  return id;
}

bool is_upload_complete(std::string_view xml) {
  pugi::xml_document document;
  load(document, xml);
  return static_cast<bool>(child(document, "CompleteMultipartUploadResult"));
}

std::string complete_upload_text(const std::vector<UploadedPart>& parts) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("CompleteMultipartUpload");
  root.append_attribute("xmlns") = "http://s3.amazonaws.com/doc/2006-03-01/";
  unsigned number = 0;
  for (const UploadedPart& part : parts) {
    pugi::xml_node node = root.append_child("Part");
    node.append_child("PartNumber").text() = ++number;
    node.append_child("ETag").text() = part.etag.c_str();
    if (part.checksum.empty()) continue;
    node.append_child("ChecksumSHA256").text() = part.checksum.c_str();
  }
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return text.str();
}

}  // namespace vibed::aws
