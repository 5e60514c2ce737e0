// The JSON of the /v1 API.
#pragma once

#include <string>
#include <vector>

#include "service/service.hpp"
#include "vibed/app.hpp"
#include "vibed/app_store.hpp"
#include "vibed/sandbox_pool.hpp"

namespace vibed::api {

// Why an app is not (or not yet) what was asked for. The first line of `message` is vibed's; what
// follows are lines of the app's own log.
struct Why {
  std::string reason;
  std::string message;
};

// Of the newest generation: from Progressing while it does not serve, else from Ready.
Why why(const App& app);

// Each ends in a newline.
std::string app_json(const App& app);
std::string page_json(const AppPage& page);              // {"items","total"}
std::string outcome_json(const DeployOutcome& outcome);  // a DeployResponse: 200 or 202
std::string versions_json(const std::vector<AppVersion>& versions);
std::string templates_json(const std::vector<TemplateStatus>& templates);

}  // namespace vibed::api
