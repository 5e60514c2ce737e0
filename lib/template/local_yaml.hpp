// templates/<name>/local.yaml as a value: how this machine provides a runtime.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/result.hpp"

namespace vibed::templates {

// How a program of the machine is found: by running candidates until one will do.
struct RuntimeSpec {
  std::string name;                     // "node"
  std::vector<std::string> candidates;  // commands, the preferred one first
  std::vector<std::string> ask;         // what a candidate is run with
  std::vector<std::string> answers;     // what each line it then prints is: program, version,
                                        // folder or env.<NAME>
  std::string program;    // where the real program is, if no answer: "${GOROOT}/bin/go"
  std::string minimum;    // "18"
  std::string install;    // "install nodejs (apt-get install nodejs)"
  std::string from;       // or: all of the above as another template has it
  bool optional = false;  // the template can be used without

  friend bool operator==(const RuntimeSpec&, const RuntimeSpec&) = default;
};

struct LocalYaml {
  std::string lane;
  std::string description;
  std::string language;
  std::vector<RuntimeSpec> runtimes;
  std::map<std::string, std::string> env;
  std::vector<std::string> parked;
  int size = 2;
  std::int64_t memory = 0;
  std::string unavailable;  // why nobody can use it yet; empty: they can
};

// Fails with bad_config for a missing, unknown or wrongly typed key, naming it.
Result<LocalYaml> parse_local_yaml(std::string_view text);

}  // namespace vibed::templates
