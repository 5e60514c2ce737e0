// Rule 2: whether a package.json describes an app that only ever runs in a browser.
#pragma once

#include <optional>
#include <string>

#include "classifier/package_json.hpp"

namespace vibed {

struct BrowserApp {
  std::string evidence;  // "package.json: dependency vite"
  std::string output;    // the folder its build script is expected to fill
};

// What makes the app of `package` one with a server of its own, or "": a server framework, a
// database driver, a start script that runs a server. Worded as evidence.
std::string server_evidence(const PackageJson& package);

// The app if it has a build script, a tool that makes browser bundles, and no server.
std::optional<BrowserApp> find_browser_app(const PackageJson& package);

}  // namespace vibed
