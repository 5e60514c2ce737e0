// Whatever a tree holds, its start plan is a command or says that there is none, and does not
// depend on the order of its entries.
//
// The input: the template, paths one a line, an empty line; the rest is the text of every file.
#include <algorithm>

#include "support.hpp"
#include "vibed/agent.hpp"

namespace {

using vibed::fuzz::fuzz_check;

vibed::StartPlanInput input_of(std::string_view text) {
  vibed::StartPlanInput input;
  auto end = text.find("\n\n");
  std::string_view rest = end == std::string_view::npos ? "" : text.substr(end + 2);
  for (std::string_view line : vibed::fuzz::split(text.substr(0, end), '\n')) {
    if (input.template_name.empty()) {
      input.template_name = line;
      continue;
    }
    vibed::ArchiveEntry entry{.path = std::string(line), .executable = line.ends_with("app")};
    if (!line.empty()) input.entries.push_back(std::move(entry));
  }
  for (const auto& path : vibed::start_plan_texts(input.entries)) input.texts[path] = rest;
  input.entrypoint = input.template_name == "entrypoint" ? rest : "";
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vibed::StartPlanInput input = input_of(vibed::fuzz::text_of(data, size));
  auto plan = vibed::start_plan(input);
  std::reverse(input.entries.begin(), input.entries.end());
  auto again = vibed::start_plan(input);
  fuzz_check(plan.ok() == again.ok(), "the order of entries does not matter");
  if (plan) {
    fuzz_check(!plan->argv.empty() && !plan->argv[0].empty(), "a plan has a program");
    fuzz_check(*plan == *again, "the order of entries does not matter");
  } else {
    fuzz_check(plan.error().reason == "no_start_command", "the one way to fail");
  }
  return 0;
}
