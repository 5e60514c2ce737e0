// POST /v1/deploy, redeploy and rollback: what makes a new generation.
#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "api/routes.hpp"
#include "base/error_codes.hpp"
#include "http/multipart.hpp"

namespace vibed::api {
namespace {

using http::Part;
using http::Request;
using http::Response;

constexpr std::uint64_t kFormBytes = 1024 * 1024;  // of everything but the source
constexpr std::size_t kMaxMetadata = 1024 * 1024;

// A deploy as it was uploaded. The archive's bytes stay in the request's file.
struct Upload {
  DeployMetadata metadata;
  Service::Archive archive;
};

const Part* find_part(const std::vector<Part>& parts, std::string_view name, bool file) {
  for (const Part& part : parts) {
    if (part.name == name && (!file || part.filename)) return &part;
  }
  return nullptr;
}

Result<DeployMetadata> read_metadata(const http::BodyFile& body, const Part* part,
                                     const std::string& name) {
  // The body of a redeploy may come without metadata; its name is in the path.
  if (part == nullptr && !name.empty()) return parse_deploy_metadata("{}", name);
  if (part == nullptr) return make_error("missing_name", "the form has no field metadata");
  auto range = make_file_range_source(body.fd(), part->offset, part->length);
  auto text = read_all(*range, kMaxMetadata);
  if (!text) return make_error("bad_metadata", "the metadata is too long");
  return parse_deploy_metadata(*text, name);
}

// `name`: of a redeploy, else "". The order of the checks is part of the API: form, metadata,
// name, source.
Result<Upload> read_upload(const Request& request, const std::string& name,
                           std::uint64_t max_source) {
  const auto& body = request.body_file;
  auto whole = make_file_range_source(body->fd(), 0, body->size());
  auto parts = http::read_multipart(request.headers.get("Content-Type"), *whole);
  if (!parts) return std::move(parts).error();
  auto metadata = read_metadata(*body, find_part(*parts, "metadata", false), name);
  if (!metadata) return std::move(metadata).error();
  const Part* source = find_part(*parts, "source", true);
  if (source == nullptr) return make_error("missing_source", "the form has no file source");
  if (source->length > max_source) {
    return make_error("payload_too_large",
                      "the source may have " + std::to_string(max_source) + " bytes");
  }
  Service::Archive archive;
  archive.size = source->length;
  archive.open = [body, offset = source->offset,
                  length = source->length]() -> Result<std::unique_ptr<ByteSource>> {
    return make_file_range_source(body->fd(), offset, length);
  };
  return Upload{*std::move(metadata), std::move(archive)};
}

Response answer(const Result<DeployOutcome>& outcome) {
  // Nobody but this server's end cancels a wait.
  if (!outcome && outcome.error().code == Errc::cancelled) {
    return http::error_response(make_error("stopping", "vibed is stopping"));
  }
  if (!outcome) return http::error_response(outcome.error());
  return http::json_response(outcome->ready ? 200 : 202, outcome_json(*outcome));
}

void count(const Context& context, std::chrono::steady_clock::time_point start,
           const Result<DeployOutcome>& outcome) {
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  bool failed = !outcome || (!outcome->ready && outcome->app.status.phase == Phase::failed);
  context.metrics.count_deploy(failed ? "failed" : "success",
                               outcome ? outcome->app.spec.template_name : "", took.count());
}

Result<DeployOutcome> deploy(const Context& context, const Request& request,
                             const std::string& name) {
  Caller caller = caller_of(context, request);
  // Not found before anything about the upload is said.
  if (!name.empty()) {
    auto app = context.service.get(caller, name);
    if (!app) return std::move(app).error();
  }
  auto upload = read_upload(request, name, context.options.max_source_bytes);
  if (!upload) return std::move(upload).error();
  auto perform = name.empty() ? &Service::deploy : &Service::redeploy;
  return (context.service.*perform)(caller, upload->metadata, upload->archive, request.stop);
}

// {"version": n}; nothing asked for is version 0, which there never is.
Result<std::int64_t> read_version(const std::string& body) {
  auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) return make_error("bad_body", "the body is not a JSON object");
  auto version = json.find("version");
  if (version == json.end()) return std::int64_t{0};
  if (!version->is_number_integer()) return make_error("bad_body", "version is not an integer");
  return version->get<std::int64_t>();
}

Result<DeployOutcome> roll_back(const Context& context, Request& request) {
  const std::string& name = request.parameters["app_id"];
  auto version = read_version(request.body);
  if (!version) return std::move(version).error();
  return context.service.rollback(caller_of(context, request), name, *version, request.stop);
}

}  // namespace

void add_deploy_routes(http::Router& router, const SharedContext& context) {
  http::RouteOptions upload;
  upload.body = http::BodyMode::spool;
  upload.max_body_bytes = context->options.max_source_bytes + kFormBytes;
  auto counted = [context](auto perform) {
    return [context, perform](Request& request) {
      auto start = std::chrono::steady_clock::now();
      auto outcome = perform(request);
      count(*context, start, outcome);
      return answer(outcome);
    };
  };
  router.add("POST", "/v1/deploy",
             counted([context](Request& request) { return deploy(*context, request, ""); }),
             upload);
  router.add("POST", "/v1/apps/{app_id}/redeploy", counted([context](Request& request) {
               return deploy(*context, request, request.parameters["app_id"]);
             }),
             upload);
  router.add("POST", "/v1/apps/{app_id}/rollback",
             counted([context](Request& request) { return roll_back(*context, request); }));
}

}  // namespace vibed::api
