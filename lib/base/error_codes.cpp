#include "base/error_codes.hpp"

#include <algorithm>
#include <array>

namespace vibed {
namespace {

// Words with a Go spelling (bad_multipart … quota_exceeded) keep it.
constexpr std::array kTable = {
    ErrorCode{"bad_archive", Errc::invalid_argument, 400,
              "The source is not a complete gzipped tar archive."},
    ErrorCode{
        "unsafe_archive", Errc::invalid_argument, 400,
        "The source has an entry that would leave its folder or is not a file, folder or link."},
    ErrorCode{"archive_too_large", Errc::invalid_argument, 413,
              "The source unpacks to more bytes, entries or longer names than allowed."},
    ErrorCode{"payload_too_large", Errc::invalid_argument, 413,
              "The upload is larger than 50 MiB."},
    ErrorCode{"not_a_directory", Errc::invalid_argument, 400, "The path is not a folder."},
    ErrorCode{"bad_multipart", Errc::invalid_argument, 400,
              "The request is not multipart/form-data as POST /v1/deploy needs it."},
    ErrorCode{"bad_metadata", Errc::invalid_argument, 400,
              "The field metadata is not the JSON object that is documented."},
    ErrorCode{
        "env_too_large", Errc::invalid_argument, 413,
        "An app's environment may have 256 KiB in all and 120 KiB in one value; put more into "
        "a file of the source."},
    ErrorCode{"missing_name", Errc::invalid_argument, 400, "metadata.name is missing."},
    ErrorCode{"missing_source", Errc::invalid_argument, 400,
              "The request has no file part named source."},
    ErrorCode{"bad_name", Errc::invalid_argument, 400,
              "An app's name is 1 to 63 of a-z, 0-9 and '-', and begins and ends with a letter or "
              "digit."},
    ErrorCode{"bad_body", Errc::invalid_argument, 400, "The request body is not valid JSON."},
    ErrorCode{"bad_parameter", Errc::invalid_argument, 400, "A query parameter has a wrong value."},
    ErrorCode{"bad_request", Errc::invalid_argument, 400, "The request is not valid HTTP."},
    ErrorCode{"headers_too_large", Errc::invalid_argument, 431, "The request's head is too large."},
    ErrorCode{"foreign_host", Errc::permission_denied, 403,
              "The API answers only to its own address, not to pages of other origins."},
    ErrorCode{"deploy_failed", Errc::invalid_argument, 400, "The deploy was refused."},
    ErrorCode{"rollback_failed", Errc::invalid_argument, 400,
              "The version is not available for rollback."},
    ErrorCode{"unknown_template", Errc::invalid_argument, 422,
              "No template has that name; GET /v1/templates lists them."},
    ErrorCode{"template_unavailable", Errc::unavailable, 422,
              "This vibed cannot run that template; the message says what is missing."},
    ErrorCode{"build_required", Errc::invalid_argument, 422,
              "The app must be built before it can be served, and this vibed has no builder."},
    ErrorCode{"template_missing", Errc::not_found, 404, "No pool is configured for the template."},
    ErrorCode{"pool_exhausted", Errc::resource_exhausted, 429,
              "No sandbox is free and no more may be started; try again later."},
    ErrorCode{"storage_full", Errc::resource_exhausted, 507,
              "There is no space left for the source."},
    ErrorCode{"storage_unavailable", Errc::unavailable, 503,
              "The source store does not answer or is overloaded; try again later."},
    ErrorCode{"storage_missing", Errc::unavailable, 503,
              "The bucket for sources does not exist; make it or correct the configuration."},
    ErrorCode{"storage_denied", Errc::permission_denied, 503,
              "The bucket's or the role's policy does not allow vibed what the message names."},
    ErrorCode{"storage_credentials", Errc::unauthenticated, 503,
              "There are no credentials for the source store, or it does not accept them; the "
              "message says where they are from."},
    ErrorCode{"storage_clock_skew", Errc::unavailable, 503,
              "The clock of vibed's machine is wrong; set it."},
    ErrorCode{"storage_refused", Errc::internal, 500,
              "The source store refuses a request; the message has its words."},
    ErrorCode{"source_damaged", Errc::unavailable, 503,
              "The source store has or gave other bytes than were stored; deploy again."},
    ErrorCode{"too_many_log_streams", Errc::resource_exhausted, 429,
              "Too many log streams are open; close one."},
    ErrorCode{"no_start_command", Errc::not_found, 422,
              "Nothing in the source says how to start it; the message names what was looked for."},
    ErrorCode{"not_found", Errc::not_found, 404, "There is no such thing, or it is not yours."},
    ErrorCode{"method_not_allowed", Errc::invalid_argument, 405, "The path has other methods."},
    ErrorCode{"request_timeout", Errc::deadline_exceeded, 408, "The request came too slowly."},
    ErrorCode{"data_in_use", Errc::already_exists, 409, "Another vibed runs on that data folder."},
    ErrorCode{"data_too_new", Errc::invalid_argument, 409,
              "The data folder was written by a newer vibed; use that version or another folder."},
    ErrorCode{"path_too_long", Errc::invalid_argument, 400,
              "A unix socket's path may have 107 bytes; choose a shorter data folder."},
    ErrorCode{"bad_config", Errc::invalid_argument, 400,
              "vibed.yaml is wrong; the message says where."},
    ErrorCode{"stopping", Errc::unavailable, 503, "vibed is stopping; retry in a moment."},
    ErrorCode{"watch_expired", Errc::conflict, 410,
              "The changes asked for are no longer kept; begin again from the start."},
    ErrorCode{"invalid_object", Errc::invalid_argument, 422,
              "The cluster refuses the object; the message names the fields."},
    ErrorCode{"kind_not_served", Errc::not_found, 404,
              "The cluster has no such kind of object; its CustomResourceDefinition is missing."},
    ErrorCode{"cluster_quota_exceeded", Errc::resource_exhausted, 429,
              "A ResourceQuota of the namespace is used up; the message says which."},
    ErrorCode{"namespace_terminating", Errc::conflict, 409,
              "The namespace is being deleted; nothing can be made in it."},
    ErrorCode{"bad_kubeconfig", Errc::invalid_argument, 400,
              "The cluster's address or credentials cannot be read; the message says which."},
    ErrorCode{"credential_plugin_failed", Errc::unauthenticated, 401,
              "The program that the kubeconfig names for credentials gave none."},
    ErrorCode{"address_in_use", Errc::already_exists, 409,
              "Another program listens on that port; choose another, or 0 for any free one."},
    ErrorCode{"unreachable", Errc::unavailable, 503,
              "No vibed answers at that address; start one with vibed up, or name it with --api."},
    ErrorCode{"app_starting", Errc::unavailable, 503,
              "The app is being started or restarted; try again in a moment."},
    ErrorCode{"app_suspended", Errc::unavailable, 503,
              "The app is suspended; its owner can resume it."},
    ErrorCode{"app_failed", Errc::unavailable, 502,
              "The app failed; the reason and message say why."},
    ErrorCode{"bad_usage", Errc::invalid_argument, 400, "The command line is wrong; see --help."},
};

}  // namespace

std::span<const ErrorCode> error_codes() { return kTable; }

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::unauthenticated: return "unauthenticated";
    case Errc::permission_denied: return "forbidden";
    case Errc::not_found: return "not_found";
    case Errc::already_exists: return "already_exists";
    case Errc::conflict: return "conflict";
    case Errc::resource_exhausted: return "resource_exhausted";
    case Errc::unavailable: return "unavailable";
    case Errc::deadline_exceeded: return "deadline_exceeded";
    case Errc::cancelled: return "cancelled";
    case Errc::internal: return "internal";
  }
  return "internal";
}

namespace {

int status_of_class(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return 400;
    case Errc::unauthenticated: return 401;
    case Errc::permission_denied: return 403;
    case Errc::not_found: return 404;
    case Errc::already_exists: return 409;
    case Errc::conflict: return 409;
    case Errc::resource_exhausted: return 429;
    case Errc::unavailable: return 503;
    case Errc::deadline_exceeded: return 504;
    case Errc::cancelled: return 503;
    case Errc::internal: return 500;
  }
  return 500;
}

const ErrorCode* find(std::string_view word) {
  const auto* at = std::find_if(kTable.begin(), kTable.end(),
                                [&](const ErrorCode& code) { return code.word == word; });
  return at == kTable.end() ? nullptr : at;
}

}  // namespace

int http_status(const Error& error) {
  const ErrorCode* code = find(error.reason);
  return code != nullptr ? code->http_status : status_of_class(error.code);
}

std::string_view wire_code(const Error& error) {
  return error.reason.empty() ? to_string(error.code) : std::string_view(error.reason);
}

Error make_error(std::string_view word, std::string message) {
  const ErrorCode* code = find(word);
  assert(code != nullptr);
  return {code != nullptr ? code->errc : Errc::internal, std::move(message), std::string(word)};
}

}  // namespace vibed
