#include "engine/app_events.hpp"

#include <utility>

#include "app/kubernetes_record.hpp"

namespace vibed {
namespace {

using control::Happening;

// How far the newest generation is, while it does not serve; null when it does or is suspended.
const Condition* under_way(const AppStatus& status) {
  return find_condition(status, "Progressing");
}

bool says_the_same(const Condition* was, const Condition& is) {
  return was != nullptr && was->status == is.status && was->reason == is.reason &&
         was->message == is.message && was->observed_generation == is.observed_generation;
}

// Whether it is on its way as every deploy is, or something keeps it.
bool is_kept_up(const Condition& progressing) {
  const std::string& reason = progressing.reason;
  if (reason == "Starting" || reason == "Injecting") return false;
  // What follows the colon is why there is no sandbox yet.
  return reason != "Claiming" || progressing.message.find(": ") != std::string::npos;
}

std::string generation_text(std::int64_t generation) {
  return "generation " + std::to_string(generation);
}

Happening serving(const App& before, const AppStatus& after) {
  const std::string what = generation_text(after.observed_generation);
  if (after.observed_generation != before.status.observed_generation) {
    return {false, "Deployed", "Deploy", what + " serves at " + after.url};
  }
  return {false, "Recovered", "Start", what + " serves again"};
}

Happening trouble(const AppStatus& after, const Condition& progressing) {
  Happening told{true, progressing.reason, progressing.status ? "Start" : "Deploy",
                 progressing.message};
  if (after.phase == Phase::ready) {
    told.note = generation_text(progressing.observed_generation) +
                (progressing.status ? " waits, " : " failed, ") +
                generation_text(after.observed_generation) + " serves on: " + progressing.message;
  }
  return told;
}

}  // namespace

std::vector<Happening> happenings(const App& before, const AppStatus& after) {
  const AppStatus& was = before.status;
  std::vector<Happening> told;
  const bool is_new =
      was.phase != Phase::ready || was.observed_generation != after.observed_generation;
  if (after.phase == Phase::ready && is_new) told.push_back(serving(before, after));
  if (after.phase == Phase::suspended && was.phase != Phase::suspended) {
    told.push_back({false, "Suspended", "Suspend", "its sandbox is released; its URL is kept"});
  }
  const Condition* now = under_way(after);
  if (now == nullptr || says_the_same(under_way(was), *now)) return told;
  if (!now->status || is_kept_up(*now)) told.push_back(trouble(after, *now));
  return told;
}

kube::Json event_subject(const App& app) {
  return {{"apiVersion", vibed_apps().api_version()},
          {"kind", vibed_apps().kind},
          {"metadata",
           {{"namespace", app.space},
            {"name", app.name},
            {"uid", app.uid},
            {"resourceVersion", std::to_string(app.resource_version)}}}};
}

}  // namespace vibed
