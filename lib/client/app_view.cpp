#include "client/app_view.hpp"

#include "client/json_text.hpp"

namespace vibed {
namespace {

using nlohmann::json;

std::int64_t number_of(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

}  // namespace

AppView view_app(std::string_view text) {
  const json app = json::parse(text, nullptr, false);
  if (!app.is_object()) return {};
  AppView view{text_of(app, "phase"), text_of(app, "reason"), text_of(app, "message")};
  const std::int64_t generation = number_of(app, "generation");
  // Of a redeploy whose older generation still serves.
  const auto progressing = app.find("progressing");
  if (progressing != app.end() && progressing->is_object()) {
    view.reason = text_of(*progressing, "reason");
    view.message = text_of(*progressing, "message");
    const auto status = progressing->find("status");
    const bool going_on = status != progressing->end() && *status == true;
    // What is said of an older generation is not about this deploy.
    view.settled = !going_on && number_of(*progressing, "generation") >= generation;
    return view;
  }
  const bool behind = number_of(app, "observed_generation") < generation;
  view.settled = view.phase == "Failed" || (view.phase == "Ready" && !behind);
  return view;
}

}  // namespace vibed
