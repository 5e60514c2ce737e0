// What every vibed program does around its own work: the command line, logging, signals and the
// exit status.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "vibed/config.hpp"
#include "vibed/export.hpp"
#include "vibed/result.hpp"

namespace vibed {

// The exit status of every program. docs/cli.md explains them to people.
enum class Exit { ok = 0, failed = 1, usage = 2, unreachable = 3 };

struct OptionSpec {
  std::string names;       // "--data" or "-f,--follow"; known by the long one without dashes
  std::string value = {};  // what its value is called, "DIR"; empty: a flag
  std::string help = {};
  bool many = false;  // may be given several times
};

struct PositionalSpec {
  std::string name;  // "APP"
  std::string help = {};
  bool required = true;
};

// One command line that has been checked.
struct VIBED_EXPORT Invocation {
  std::string program;                                     // as it was called: argv[0]
  std::map<std::string, std::vector<std::string>> values;  // by long name, or name of a positional
  std::map<std::string, std::string> environment;
  Config config;  // of a command that takes_config; else the defaults

  bool has(const std::string& name) const;
  // The value, or the last one; `otherwise` when it was not given.
  std::string text(const std::string& name, const std::string& otherwise = "") const;
  std::vector<std::string> all(const std::string& name) const;
  // A variable of the environment, or "".
  std::string variable(const std::string& name) const;
};

struct Command {
  std::string name;
  std::string summary;       // one line of the list of commands
  std::string details = {};  // more, below the usage of --help
  std::vector<OptionSpec> options = {};
  std::vector<PositionalSpec> positionals = {};
  // An error with a message is printed as "vibed: message"; its class decides the exit status. One
  // without a message has been told already.
  std::function<Status(const Invocation&)> run = {};
  bool takes_config = false;  // adds --config, --log-level and --log-format, and reads the file
  // Runs until wait_for_stop(): SIGINT, SIGTERM and SIGHUP are blocked before any thread exists,
  // SIGPIPE is ignored. Others are ended by signals as usual.
  bool serves = false;
  std::vector<Command> commands = {};  // of a group like `vibed template ls`; then run is not used
};

struct Program {
  std::string name;     // "vibed"
  std::string summary;  // one sentence for --help
  std::vector<Command> commands;
  // Flags alone are those of this command; empty: a command must be named.
  std::string default_command = {};
};

// Does what the command line says and returns the exit status for main().
VIBED_EXPORT int run_program(const Program& program, int argc, const char* const* argv);

// Waits until the program is asked to stop, and returns the signal. A second signal, while it is
// shutting down and at least a second after the first, ends the process at once. Only in a command
// that serves.
VIBED_EXPORT int wait_for_stop();

// An error that says the command line is wrong (exit status 2).
VIBED_EXPORT Error usage_error(std::string message);

}  // namespace vibed
