// PackageJson: the parts of a package.json that classification looks at.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace vibed {

struct PackageJson {
  std::string name;
  std::map<std::string, std::string> scripts;
  std::map<std::string, std::string> dependencies;      // with optional and peer ones
  std::map<std::string, std::string> dev_dependencies;  // name → version wanted

  bool depends_on(const std::string& package) const {
    return dependencies.contains(package) || dev_dependencies.contains(package);
  }
  // The text of a script, or "".
  std::string script(const std::string& key) const;
};

// Never fails: what is malformed or wrongly typed counts as absent.
PackageJson parse_package_json(std::string_view text);

}  // namespace vibed
