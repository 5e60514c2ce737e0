// vibed doctor: what this machine lacks, and how to mend it.
#include "vibed/doctor.hpp"

#include <fmt/format.h>

#include "commands.hpp"
#include "places.hpp"
#include "remote.hpp"
#include "terminal.hpp"

namespace vibed::cli {
namespace {

void print_finding(const Invocation& invocation, const Finding& finding) {
  std::string mark = coloured(invocation, 1, Colour::green, "ok   ");
  if (!finding.good) {
    mark = finding.required ? coloured(invocation, 1, Colour::red, "FAIL ")
                            : coloured(invocation, 1, Colour::yellow, "note ");
  }
  fmt::print("{}{:<20} {}\n", mark, finding.what, finding.detail);
  if (!finding.fix.empty()) fmt::print("     {:<20} -> {}\n", "", finding.fix);
}

Json to_json(const std::vector<Finding>& findings, bool fit) {
  Json items = Json::array();
  for (const auto& finding : findings) {
    items.push_back({{"what", finding.what},
                     {"good", finding.good},
                     {"required", finding.required},
                     {"detail", finding.detail},
                     {"fix", finding.fix}});
  }
  return {{"fit", fit}, {"findings", items}};
}

Status run_doctor(const Invocation& invocation) {
  DoctorOptions options;
  options.data = data_folder(invocation);
  options.config = invocation.config;
  options.templates = invocation.variable("VIBED_TEMPLATES");
  options.agent = invocation.variable("VIBED_AGENT");
  options.search_path = invocation.variable("PATH");
  const std::vector<Finding> findings = examine_machine(options);
  const bool fit = is_fit(findings);
  if (invocation.has("json")) {
    print_json(to_json(findings, fit));
  } else {
    for (const auto& finding : findings) print_finding(invocation, finding);
    fmt::print("{}\n", fit ? "This machine can run vibed." : "This machine cannot run vibed yet.");
  }
  return fit ? success() : Status(Error{Errc::unavailable, ""});
}

}  // namespace

Command doctor_command() {
  return {
      .name = "doctor",
      .summary = "look at what this machine lacks, and how to mend it",
      .options = {{"--data", "DIR", "the data folder to look at"}, {"--json", "", "print JSON"}},
      .run = run_doctor,
      .takes_config = true};
}

}  // namespace vibed::cli
