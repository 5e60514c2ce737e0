// Parser: a Program's command line, read by CLI11.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "vibed/program.hpp"

namespace vibed::program {

// What to do: print `text` and leave with `status`, or run `command`.
struct Printed {
  std::string text;
  Exit status = Exit::ok;  // anything but ok goes to stderr
};

struct Chosen {
  const Command* command = nullptr;
  Invocation invocation;  // values only
};

// Pure: no file is read and nothing is printed. `arguments` without argv[0]; `program` outlives
// the result.
std::variant<Printed, Chosen> parse(const Program& program, std::vector<std::string> arguments);

}  // namespace vibed::program
