#include "program/parser.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <map>
#include <memory>

#include "config/nearest.hpp"
#include "vibed/version.hpp"

namespace vibed::program {
namespace {

// What CLI11 fills in. A deque, because CLI11 keeps references.
struct Slots {
  std::deque<std::pair<std::string, std::vector<std::string>>> texts;
  std::deque<std::pair<std::string, bool>> flags;
};

struct Entry {
  const Command* command;
  std::unique_ptr<Slots> slots;
};

// "-f,--follow" → "follow"
std::string long_name(const std::string& names) {
  const std::size_t at = names.find("--");
  return names.substr(at == std::string::npos ? 0 : at + 2);
}

std::vector<OptionSpec> options_of(const Command& command) {
  std::vector<OptionSpec> options = command.options;
  if (command.takes_config) {
    options.push_back({"--config", "FILE", "read vibed.yaml from FILE"});
    options.push_back({"--log-level", "LEVEL", "debug, info, warn or error"});
    options.push_back({"--log-format", "FORMAT", "text or json"});
  }
  return options;
}

void add_option(CLI::App& app, Slots& slots, const OptionSpec& spec) {
  if (spec.value.empty()) {
    auto& slot = slots.flags.emplace_back(long_name(spec.names), false);
    app.add_flag(spec.names, slot.second, spec.help);
    return;
  }
  auto& slot = slots.texts.emplace_back(long_name(spec.names), std::vector<std::string>());
  CLI::Option* option = app.add_option(spec.names, slot.second, spec.help);
  option->type_name(spec.value);
  if (spec.many) {
    option->allow_extra_args(false);  // one value each time: what follows it is a positional
  } else {
    option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
}

void add_positional(CLI::App& app, Slots& slots, const PositionalSpec& spec) {
  auto& slot = slots.texts.emplace_back(spec.name, std::vector<std::string>());
  CLI::Option* option = app.add_option(spec.name, slot.second, spec.help);
  option->expected(1)->allow_extra_args(false)->type_name(" ");
  if (spec.required) option->required();
}

using Entries = std::map<const CLI::App*, Entry>;

void add_command(CLI::App& parent, const Command& command, Entries& entries) {
  CLI::App* app = parent.add_subcommand(command.name, command.summary);
  app->footer(command.details);
  if (!command.commands.empty()) {
    app->require_subcommand(1);
    for (const auto& inner : command.commands) add_command(*app, inner, entries);
    return;
  }
  auto slots = std::make_unique<Slots>();
  for (const auto& option : options_of(command)) add_option(*app, *slots, option);
  for (const auto& positional : command.positionals) add_positional(*app, *slots, positional);
  entries.emplace(app, Entry{&command, std::move(slots)});
}

std::vector<std::string> names_of(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const auto& command : commands) names.push_back(command.name);
  return names;
}

Printed wrong(const std::string& message, const std::string& help) {
  return {message + "\nTry: " + help + " --help\n", Exit::usage};
}

std::string meant(const std::string& text, const std::vector<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view suggestion = nearest_word(text, views);
  return suggestion.empty() ? "" : "; did you mean " + std::string(suggestion) + "?";
}

// CLI11 would say "The following arguments were not expected"; this says what was meant.
const Command* follow_commands(const Program& program, const std::vector<std::string>& arguments,
                               std::string& called, std::variant<Printed, Chosen>& answer) {
  const std::vector<Command>* level = &program.commands;
  const Command* found = nullptr;
  for (const auto& argument : arguments) {
    if (argument.starts_with("-")) break;
    const auto at = std::find_if(level->begin(), level->end(),
                                 [&](const auto& command) { return command.name == argument; });
    if (at == level->end()) {
      answer = wrong(
          called + ": there is no command " + argument + meant(argument, names_of(*level)), called);
      return nullptr;
    }
    found = &*at;
    called += " " + argument;
    if (found->commands.empty()) break;
    level = &found->commands;
  }
  return found;
}

std::string unknown_option(const Command& command, const std::string& option) {
  std::vector<std::string> known = {"--help"};
  for (const auto& spec : options_of(command)) known.push_back("--" + long_name(spec.names));
  return "there is no option " + option + meant(option, known);
}

// The remaining arguments of CLI11 are of the innermost command.
Printed explain(const CLI::ParseError& error, const CLI::App& app, const Command& command,
                const std::string& called) {
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr) {
    const bool many = std::string_view(error.what()).find("At Most") != std::string_view::npos;
    return wrong(called + ": " + (many ? "too many arguments" : error.what()), called);
  }
  for (const auto& extra : app.remaining(true)) {
    if (extra.starts_with("-"))
      return wrong(called + ": " + unknown_option(command, extra), called);
  }
  const auto extra = app.remaining(true);
  return wrong(called + ": too many arguments" + (extra.empty() ? "" : ": " + extra.front()),
               called);
}

Chosen chosen(const Entry& entry) {
  Chosen result{entry.command, {}};
  for (const auto& [name, values] : entry.slots->texts) {
    if (!values.empty()) result.invocation.values[name] = values;
  }
  for (const auto& [name, set] : entry.slots->flags) {
    if (set) result.invocation.values[name] = {"true"};
  }
  return result;
}

const Entry* parsed_entry(const CLI::App& app, const Entries& entries) {
  const auto inner = app.get_subcommands();
  if (inner.empty()) {
    const auto at = entries.find(&app);
    return at == entries.end() ? nullptr : &at->second;
  }
  return parsed_entry(*inner.front(), entries);
}

// Nothing but flags, and not those of the program itself.
bool names_no_command(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return true;
  const std::string& first = arguments.front();
  return first.starts_with("--") && first != "--help" && first != "--version";
}

}  // namespace

std::variant<Printed, Chosen> parse(const Program& program, std::vector<std::string> arguments) {
  if (!program.default_command.empty() && names_no_command(arguments))
    arguments.insert(arguments.begin(), program.default_command);
  CLI::App app(program.summary, program.name);
  app.require_subcommand(0, 1);
  bool version = false;
  app.add_flag("--version", version, "print the version");
  Entries entries;
  for (const auto& command : program.commands) add_command(app, command, entries);

  std::variant<Printed, Chosen> answer;
  std::string called = program.name;
  const Command* command = follow_commands(program, arguments, called, answer);
  if (command == nullptr && !std::get<Printed>(answer).text.empty()) return answer;
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    const CLI::App* asked = &app;
    while (!asked->get_subcommands().empty()) asked = asked->get_subcommands().front();
    return Printed{asked->help(called == program.name ? "" : called.substr(0, called.rfind(' ')))};
  } catch (const CLI::ParseError& error) {
    static const Command kNone{.name = "", .summary = ""};
    return explain(error, app, command == nullptr ? kNone : *command, called);
  }
  if (version) return Printed{program.name + " " + VIBED_VERSION + "\n"};
  const Entry* entry = parsed_entry(app, entries);
  if (entry == nullptr) return Printed{app.help(), Exit::usage};
  return chosen(*entry);
}

}  // namespace vibed::program
