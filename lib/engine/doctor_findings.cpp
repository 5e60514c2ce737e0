#include "engine/doctor_findings.hpp"

#include <algorithm>

namespace vibed {
namespace {

constexpr std::size_t kLongestData = 60;  // as EngineOptions.data says

using Findings = std::vector<Finding>;

Finding about_namespaces(const MachineFacts& facts) {
  Finding finding{.what = "user namespaces", .good = true, .required = true, .detail = "allowed"};
  if (facts.max_user_namespaces == 0) {
    finding.good = false;
    finding.detail = "user.max_user_namespaces is 0";
    finding.fix = "sysctl -w user.max_user_namespaces=15000";
  } else if (!facts.root && facts.unprivileged_namespaces == 0) {
    finding.good = false;
    finding.detail = "only root may make them";
    finding.fix = "sysctl -w kernel.unprivileged_userns_clone=1";
  }
  return finding;
}

Finding about_bubblewrap(const MachineFacts::Program& program) {
  Finding finding{.what = "bubblewrap", .required = true};
  if (!program.missing.empty()) {
    finding.detail = program.missing;
    finding.fix = "apt-get install bubblewrap";
    return finding;
  }
  finding.good = program.broken.empty();
  finding.detail = program.version + " at " + program.path;
  if (finding.good) return finding;
  finding.detail += ": " + program.broken;
  finding.fix =
      "it must be able to make namespaces: see user namespaces above; on Ubuntu also "
      "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; in a container allow it "
      "user namespaces and mounts";
  return finding;
}

Finding about_caddy(const MachineFacts::Program& program) {
  if (!program.missing.empty())
    return {.what = "caddy",
            .required = true,
            .detail = program.missing,
            .fix = "apt-get install caddy, and systemctl disable --now caddy"};
  return {.what = "caddy",
          .good = program.broken.empty(),
          .required = true,
          .detail = program.version + " at " + program.path,
          .fix = program.broken};
}

Finding about_agent(const MachineFacts::Program& program) {
  bool there = program.missing.empty();
  return {.what = "vibed-agent",
          .good = there,
          .required = true,
          .detail = there ? program.path : program.missing,
          .fix = there ? "" : "install vibed whole, or name it with VIBED_AGENT"};
}

void add_runtimes(const MachineFacts& facts, Findings& findings) {
  if (!facts.templates_missing.empty()) {
    findings.push_back({.what = "templates",
                        .required = true,
                        .detail = facts.templates_missing,
                        .fix = "install vibed whole, or name the folder with VIBED_TEMPLATES"});
    return;
  }
  for (const auto& item : facts.templates) {
    findings.push_back({.what = "runtime " + item.name,
                        .good = item.available,
                        .detail = item.available ? item.runtime_version : "not available",
                        .fix = item.available ? "" : item.message});
  }
  bool any = std::any_of(facts.templates.begin(), facts.templates.end(),
                         [](const Template& item) { return item.available; });
  if (any) return;
  findings.push_back({.what = "runtimes",
                      .required = true,
                      .detail = "none is available",
                      .fix = "install one: apt-get install nodejs python3 nginx golang-go"});
}

void add_limits(const sandbox::LimitsInForce& limits, Findings& findings) {
  const auto add = [&](const std::string& what, const std::string& detail) {
    findings.push_back({.what = what, .good = detail != "none", .detail = detail});
  };
  add("limit of memory", limits.memory);
  add("limit of processes", limits.processes);
  add("limit of cpu", limits.cpu);
  add("limit of disk", limits.disk);
  add("identity of apps", limits.identity);
  if (!limits.advice.empty()) findings.back().fix = limits.advice;
}

Finding about_data(const MachineFacts& facts) {
  Finding finding{.what = "data folder", .good = true, .required = true, .detail = facts.data};
  if (facts.data.size() > kLongestData) {
    finding.good = false;
    finding.detail += " has more than " + std::to_string(kLongestData) + " bytes";
    finding.fix = "choose a shorter one with --data: unix sockets live in it";
  } else if (!facts.data_writable) {
    finding.good = false;
    finding.detail += ": " + facts.data_existing + " is not writable";
    finding.fix = "choose another with --data";
  }
  return finding;
}

Finding about_port(const MachineFacts::Port& port) {
  if (port.taken.empty())
    return {.what = port.what, .good = true, .detail = port.listen + " is free"};
  return {.what = port.what,
          .detail = port.taken,
          .fix = "nothing, if that is vibed; else choose another with " + port.option +
                 " (port 0: any free one)"};
}

Finding about_names(const std::string& domain, bool resolves) {
  Finding finding{.what = "*." + domain, .good = resolves, .detail = "resolves"};
  if (resolves) return finding;
  finding.detail = "is not resolved by this machine's name service";
  finding.fix = domain == "localhost"
                    ? "nothing for browsers, which know it by themselves, and for curl; for "
                      "other programs: apt-get install libnss-myhostname"
                    : "a wildcard record in the DNS, *." + domain + ", must lead to this machine";
  return finding;
}

}  // namespace

std::vector<Finding> findings_of(const MachineFacts& facts) {
  Findings findings = {about_namespaces(facts), about_bubblewrap(facts.bubblewrap),
                       about_caddy(facts.caddy), about_agent(facts.agent)};
  add_runtimes(facts, findings);
  add_limits(facts.limits, findings);
  findings.push_back(about_data(facts));
  for (const auto& port : facts.ports) findings.push_back(about_port(port));
  findings.push_back(about_names(facts.domain, facts.domain_resolves));
  return findings;
}

bool is_fit(const std::vector<Finding>& findings) {
  return std::all_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.good || !finding.required; });
}

}  // namespace vibed
