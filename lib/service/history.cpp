#include "service/history.hpp"

#include <algorithm>
#include <set>

namespace vibed {

std::int64_t next_version(const App& app) {
  std::int64_t highest = 0;
  for (const AppVersion& version : app.versions) highest = std::max(highest, version.version);
  return highest + 1;
}

std::vector<std::string> add_version(App& app, AppVersion version, int kept) {
  app.versions.push_back(std::move(version));
  std::set<std::string> evicted;
  while (std::ssize(app.versions) > std::max(kept, 1)) {
    evicted.insert(app.versions.front().source_key);
    app.versions.erase(app.versions.begin());
  }
  for (const std::string& key : source_keys(app)) evicted.erase(key);
  return {evicted.begin(), evicted.end()};
}

std::vector<std::string> source_keys(const App& app) {
  std::set<std::string> keys = {app.spec.source};
  for (const AppVersion& version : app.versions) keys.insert(version.source_key);
  keys.erase("");
  return {keys.begin(), keys.end()};
}

Outcome outcome_of(const App& app, std::int64_t generation) {
  const AppStatus& status = app.status;
  if (status.phase == Phase::ready && status.observed_generation >= generation) {
    return Outcome::ready;
  }
  // Nothing will serve it: it waits for somebody to resume or to remove it.
  if (app.spec.suspended && app.generation >= generation) return Outcome::failed;
  const Condition* progressing = find_condition(status, "Progressing");
  if (progressing != nullptr && !progressing->status &&
      progressing->observed_generation >= generation) {
    return Outcome::failed;
  }
  const Condition* ready = find_condition(status, "Ready");
  if (status.phase == Phase::failed && ready != nullptr &&
      ready->observed_generation >= generation) {
    return Outcome::failed;
  }
  return Outcome::waiting;
}

}  // namespace vibed
