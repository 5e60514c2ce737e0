#include "vibed/engine.hpp"

#include "guarded.hpp"
#include "vibed/config.hpp"

struct vibed_engine {
  std::unique_ptr<vibed::Engine> impl;
  std::string api_url;
  std::string apps_url;
};

namespace {

using vibed::Errc;
using vibed::Error;
using vibed::Result;
using vibed::Status;
using vibed::c::guarded;
using vibed::c::hand_out;
using vibed::c::null_argument;
using vibed::c::or_empty;

Result<vibed::EngineOptions> to_options(const vibed_engine_options& given) {
  if (given.version != VIBED_ENGINE_OPTIONS_VERSION) {
    return Error{Errc::invalid_argument, "options.version is not one this library knows"};
  }
  if (given.data == nullptr) return null_argument("options.data");
  vibed::EngineOptions options;
  options.data = given.data;
  options.keep_apps = given.keep_apps != 0;
  options.agent = or_empty(given.agent);
  options.templates = or_empty(given.templates);
  auto config = vibed::parse_config(or_empty(given.config_yaml));
  if (!config) return std::move(config).error();
  options.config = *std::move(config);
  return options;
}

}  // namespace

vibed_status vibed_engine_open(const vibed_engine_options* options, vibed_engine** engine,
                               char** message) {
  return guarded(message, [&]() -> Status {
    if (options == nullptr) return null_argument("options");
    if (engine == nullptr) return null_argument("engine");
    auto wanted = to_options(*options);
    if (!wanted) return std::move(wanted).error();
    auto opened = vibed::Engine::open(*wanted);
    if (!opened) return std::move(opened).error();
    std::string api = (*opened)->api_url();
    std::string apps = (*opened)->apps_url();
    *engine = new vibed_engine{*std::move(opened), std::move(api), std::move(apps)};
    return vibed::success();
  });
}

void vibed_engine_close(vibed_engine* engine) {
  if (engine == nullptr) return;
  guarded(nullptr, [&] { return engine->impl->close(); });
  delete engine;
}

const char* vibed_engine_api_url(const vibed_engine* engine) {
  return engine == nullptr ? "" : engine->api_url.c_str();
}

const char* vibed_engine_apps_url(const vibed_engine* engine) {
  return engine == nullptr ? "" : engine->apps_url.c_str();
}

vibed_status vibed_engine_deploy(vibed_engine* engine, const char* path, const char* metadata_json,
                                 char** app_json, char** message) {
  return guarded(message, [&]() -> Status {
    if (engine == nullptr) return null_argument("engine");
    if (path == nullptr) return null_argument("path");
    if (metadata_json == nullptr) return null_argument("metadata_json");
    if (app_json == nullptr) return null_argument("app_json");
    return hand_out(engine->impl->deploy(path, metadata_json), app_json);
  });
}

vibed_status vibed_engine_deploy_bytes(vibed_engine* engine, const void* archive, size_t size,
                                       const char* metadata_json, char** app_json, char** message) {
  return guarded(message, [&]() -> Status {
    if (engine == nullptr) return null_argument("engine");
    if (archive == nullptr) return null_argument("archive");
    if (metadata_json == nullptr) return null_argument("metadata_json");
    if (app_json == nullptr) return null_argument("app_json");
    std::string_view bytes(static_cast<const char*>(archive), size);
    return hand_out(engine->impl->deploy_bytes(bytes, metadata_json), app_json);
  });
}

vibed_status vibed_engine_list(vibed_engine* engine, char** json, char** message) {
  return guarded(message, [&]() -> Status {
    if (engine == nullptr) return null_argument("engine");
    if (json == nullptr) return null_argument("json");
    return hand_out(engine->impl->list(), json);
  });
}

vibed_status vibed_engine_get(vibed_engine* engine, const char* app, char** app_json,
                              char** message) {
  return guarded(message, [&]() -> Status {
    if (engine == nullptr) return null_argument("engine");
    if (app == nullptr) return null_argument("app");
    if (app_json == nullptr) return null_argument("app_json");
    return hand_out(engine->impl->get(app), app_json);
  });
}

vibed_status vibed_engine_remove(vibed_engine* engine, const char* app, char** message) {
  return guarded(message, [&]() -> Status {
    if (engine == nullptr) return null_argument("engine");
    if (app == nullptr) return null_argument("app");
    return engine->impl->remove(app);
  });
}
