#include "app/record.hpp"

#include "base/ids.hpp"

namespace vibed {

Result<App> as_stored(const App& app) { return app_from_json(to_json(app)); }

Error no_such_app(const std::string& name) {
  return {Errc::not_found, "there is no app \"" + name + "\""};
}

Result<App> created_record(const App& wanted, const std::string& space, Time now) {
  if (!is_app_name(wanted.name)) {
    return Error{Errc::invalid_argument, "\"" + wanted.name + "\" is not an app's name",
                 "bad_name"};
  }
  App record;
  record.name = wanted.name;
  record.space = space;
  record.uid = random_uuid();
  record.generation = 1;
  record.created_at = now;
  record.labels = wanted.labels;
  record.versions = wanted.versions;
  record.spec = wanted.spec;
  return as_stored(record);
}

Result<App> with_spec(const App& record, const App& wanted) {
  if (record.uid != wanted.uid || record.resource_version != wanted.resource_version) {
    return Error{Errc::conflict, "app \"" + record.name + "\" was written by somebody else"};
  }
  App next = record;
  next.labels = wanted.labels;
  next.versions = wanted.versions;
  next.spec = wanted.spec;
  auto stored = as_stored(next);
  if (stored && stored->spec != record.spec) stored->generation = record.generation + 1;
  return stored;
}

Result<App> with_status(const App& record, const AppStatus& status) {
  App next = record;
  next.status = status;
  return as_stored(next);
}

}  // namespace vibed
