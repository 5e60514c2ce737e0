// The rules of docs/start-plans.md, one function a language. Each gives a plan or passes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/search.hpp"

namespace vibed::plan {

using MaybePlan = std::optional<StartPlan>;

// What package.json says outright: scripts.start, else main.
MaybePlan declared_node_plan(Search& search);
// A script whose name suggests that it starts the app.
MaybePlan named_node_plan(Search& search);

MaybePlan python_plan(Search& search);
MaybePlan go_plan(Search& search);

// ./app, and start.sh and its like.
MaybePlan program_plan(Search& search);
MaybePlan shell_script_plan(Search& search);

// CMD and ENTRYPOINT of the last stage of a root Dockerfile, if the template can run them.
MaybePlan dockerfile_plan(Search& search);

// Environment that dependencies which came along need: PYTHONPATH, NODE_PATH.
std::map<std::string, std::string> dependency_env(const Search& search);

}  // namespace vibed::plan
