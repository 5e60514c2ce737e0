#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "guarded.hpp"
#include "vibed/archive.hpp"
#include "vibed/classifier.hpp"
#include "vibed/stream.hpp"
#include "vibed/version.hpp"

namespace {

using vibed::Errc;
using vibed::Error;
using vibed::Result;
using vibed::Status;

Result<vibed::ClassificationOverrides> parse_options(const char* options_json) {
  vibed::ClassificationOverrides overrides;
  if (options_json == nullptr) return overrides;
  auto options = nlohmann::json::parse(options_json, nullptr, false);
  if (!options.is_object()) return Error{Errc::invalid_argument, "options_json is not an object"};
  for (const auto& [key, value] : options.items()) {
    if (!value.is_string()) return Error{Errc::invalid_argument, key + " is not a string"};
    auto text = value.get<std::string>();
    if (key == "template") {
      overrides.template_name = text;
    } else if (key == "lane") {
      auto lane = vibed::parse_lane(text);
      if (!lane) return std::move(lane).error();
      overrides.lane = *lane;
    } else {
      return Error{Errc::invalid_argument, "options_json has an unknown key: " + key};
    }
  }
  return overrides;
}

Result<vibed::Listing> list_path(const char* path) {
  struct stat info {};
  if (stat(path, &info) != 0) {
    return Error{Errc::not_found, std::string("there is no ") + path};
  }
  if (S_ISDIR(info.st_mode)) return vibed::list_directory(path);
  auto bytes = vibed::open_file_source(path);
  if (!bytes) return std::move(bytes).error();
  return vibed::list_archive(**bytes);
}

Result<std::string> classify(const Result<vibed::Listing>& listing, const char* options_json) {
  if (!listing) return listing.error();
  auto overrides = parse_options(options_json);
  if (!overrides) return std::move(overrides).error();
  return vibed::to_json(vibed::classify(*listing, *overrides));
}

}  // namespace

const char* vibed_version(void) { return vibed::version(); }

const char* vibed_status_name(vibed_status status) {
  switch (status) {
    case VIBED_OK: return "ok";
    case VIBED_INVALID_ARGUMENT: return "invalid_argument";
    case VIBED_UNAUTHENTICATED: return "unauthenticated";
    case VIBED_PERMISSION_DENIED: return "permission_denied";
    case VIBED_NOT_FOUND: return "not_found";
    case VIBED_ALREADY_EXISTS: return "already_exists";
    case VIBED_CONFLICT: return "conflict";
    case VIBED_RESOURCE_EXHAUSTED: return "resource_exhausted";
    case VIBED_UNAVAILABLE: return "unavailable";
    case VIBED_DEADLINE_EXCEEDED: return "deadline_exceeded";
    case VIBED_CANCELLED: return "cancelled";
    case VIBED_INTERNAL: return "internal";
  }
  return "unknown";
}

void vibed_free(char* text) { std::free(text); }

vibed_status vibed_classify(const char* path, const char* options_json, char** json,
                            char** message) {
  return vibed::c::guarded(message, [&]() -> Status {
    if (path == nullptr) return vibed::c::null_argument("path");
    if (json == nullptr) return vibed::c::null_argument("json");
    return vibed::c::hand_out(classify(list_path(path), options_json), json);
  });
}

vibed_status vibed_classify_bytes(const void* archive, size_t size, const char* options_json,
                                  char** json, char** message) {
  return vibed::c::guarded(message, [&]() -> Status {
    if (archive == nullptr) return vibed::c::null_argument("archive");
    if (json == nullptr) return vibed::c::null_argument("json");
    auto bytes = vibed::make_memory_source({static_cast<const char*>(archive), size});
    return vibed::c::hand_out(classify(vibed::list_archive(*bytes), options_json), json);
  });
}
