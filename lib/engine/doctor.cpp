#include "vibed/doctor.hpp"

#include <netdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/files.hpp"
#include "engine/helpers.hpp"
#include "process/run.hpp"
#include "route/caddy_document.hpp"
#include "route/caddy_version.hpp"
#include "route/listen_address.hpp"
#include "sandbox/cgroup.hpp"
#include "sandbox/local_pool.hpp"
#include "vibed/template.hpp"

namespace vibed {
namespace {

constexpr std::size_t kLongestData = 60;  // as EngineOptions.data says

using Findings = std::vector<Finding>;

// The number in a file of /proc, or `otherwise`.
int number_in(const std::string& path, int otherwise) {
  auto text = read_file(path, 64);
  return text ? std::atoi(text->c_str()) : otherwise;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void examine_namespaces(Findings& findings) {
  Finding finding{.what = "user namespaces", .good = true, .required = true, .detail = "allowed"};
  const auto forbid = [&](const std::string& why, const std::string& fix) {
    finding.good = false;
    finding.detail = why;
    finding.fix = fix;
  };
  if (number_in("/proc/sys/user/max_user_namespaces", 1) == 0) {
    forbid("user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=15000");
  } else if (::geteuid() != 0 && number_in("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0) {
    forbid("only root may make them", "sysctl -w kernel.unprivileged_userns_clone=1");
  }
  findings.push_back(std::move(finding));
}

// Makes a sandbox as vibed would, with nothing in it.
void examine_bubblewrap(const Config& config, Findings& findings) {
  Finding finding{.what = "bubblewrap", .required = true};
  auto program = sandbox::find_bubblewrap(config.sandbox.bubblewrap);
  if (!program) {
    finding.detail = program.error().message;
    finding.fix = "apt-get install bubblewrap";
    findings.push_back(std::move(finding));
    return;
  }
  auto version = run({*program, "--version"});
  finding.detail = (version ? first_line(version->out) : "unknown version") + " at " + *program;
  auto tried = run({*program, "--unshare-all", "--unshare-user", "--die-with-parent", "--ro-bind",
                    "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "/bin/true"});
  finding.good = tried && tried->status.ok();
  if (!finding.good) {
    finding.detail += tried ? ": " + first_line(tried->err) : ": " + tried.error().message;
    finding.fix =
        "it must be able to make namespaces: see user namespaces above; on Ubuntu also "
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; in a container allow it "
        "user namespaces and mounts";
  }
  findings.push_back(std::move(finding));
}

void examine_caddy(const Config& config, Findings& findings) {
  Finding finding{.what = "caddy", .required = true};
  auto caddy = route::find_caddy(config.route.caddy, "");
  if (!caddy) {
    finding.detail = caddy.error().message;
    finding.fix = "apt-get install caddy, and systemctl disable --now caddy";
  } else {
    const auto layout =
        config.route.layout == "per-app" ? route::Layout::per_app : route::Layout::wildcard;
    auto fits = route::check_layout(layout, caddy->version);
    finding.good = fits.ok();
    finding.detail = route::to_string(caddy->version) + " at " + caddy->path;
    if (!fits) finding.fix = fits.error().message;
  }
  findings.push_back(std::move(finding));
}

void examine_helpers(const DoctorOptions& options, Findings& findings) {
  auto agent = find_agent(options.agent);
  findings.push_back({.what = "vibed-agent",
                      .good = agent.ok(),
                      .required = true,
                      .detail = agent ? *agent : agent.error().message,
                      .fix = agent ? "" : "install vibed whole, or name it with VIBED_AGENT"});
}

void examine_runtimes(const DoctorOptions& options, Findings& findings) {
  auto folder = find_templates(options.templates);
  auto templates = folder ? load_templates(*folder) : folder.error();
  if (!templates) {
    findings.push_back({.what = "templates",
                        .required = true,
                        .detail = templates.error().message,
                        .fix = "install vibed whole, or name the folder with VIBED_TEMPLATES"});
    return;
  }
  bool any = false;
  for (const auto& item : *templates) {
    any = any || item.available;
    findings.push_back({.what = "runtime " + item.name,
                        .good = item.available,
                        .detail = item.available ? item.runtime_version : "not available",
                        .fix = item.available ? "" : item.message});
  }
  if (any) return;
  findings.push_back({.what = "runtimes",
                      .required = true,
                      .detail = "none is available",
                      .fix = "install one: apt-get install nodejs python3 nginx golang-go"});
}

void examine_limits(Findings& findings) {
  const sandbox::LimitsInForce limits = sandbox::limits_in_force();
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

void examine_port(const std::string& what, const std::string& listen, const std::string& option,
                  Findings& findings) {
  Finding finding{.what = what, .good = true, .detail = listen + " is free"};
  auto address = route::parse_listen(listen);
  auto claimed = address ? route::claim_port(*address) : std::move(address).error();
  if (!claimed) {
    finding.good = false;
    finding.detail = claimed.error().message;
    finding.fix =
        "nothing, if that is vibed; else choose another with " + option + " (port 0: any free one)";
  }
  findings.push_back(std::move(finding));
}

void examine_data(const std::string& data, Findings& findings) {
  Finding finding{.what = "data folder", .good = true, .required = true, .detail = data};
  // The nearest folder that exists must let us write.
  std::string existing = data;
  while (existing.size() > 1 && ::access(existing.c_str(), F_OK) != 0) {
    existing.resize(std::max<std::size_t>(existing.rfind('/'), 1));
  }
  if (data.size() > kLongestData) {
    finding.good = false;
    finding.detail += " has more than " + std::to_string(kLongestData) + " bytes";
    finding.fix = "choose a shorter one with --data: unix sockets live in it";
  } else if (::access(existing.c_str(), W_OK) != 0) {
    finding.good = false;
    finding.detail += ": " + existing + " is not writable";
    finding.fix = "choose another with --data";
  }
  findings.push_back(std::move(finding));
}

void examine_names(const std::string& domain, Findings& findings) {
  Finding finding{.what = "*." + domain, .good = true, .detail = "resolves"};
  addrinfo* found = nullptr;
  if (::getaddrinfo(("vibed-doctor." + domain).c_str(), nullptr, nullptr, &found) == 0) {
    ::freeaddrinfo(found);
  } else {
    finding.good = false;
    finding.detail = "is not resolved by this machine's name service";
    finding.fix = domain == "localhost"
                      ? "nothing for browsers, which know it by themselves, and for curl; for "
                        "other programs: apt-get install libnss-myhostname"
                      : "a wildcard record in the DNS, *." + domain + ", must lead to this machine";
  }
  findings.push_back(std::move(finding));
}

}  // namespace

std::vector<Finding> examine_machine(const DoctorOptions& options) {
  Findings findings;
  examine_namespaces(findings);
  examine_bubblewrap(options.config, findings);
  examine_caddy(options.config, findings);
  examine_helpers(options, findings);
  examine_runtimes(options, findings);
  examine_limits(findings);
  examine_data(options.data, findings);
  examine_port("port of the API", options.config.server.http_addr, "--api", findings);
  examine_port("port of the apps", options.config.apps.listen, "--apps", findings);
  examine_names(options.config.apps.domain, findings);
  return findings;
}

bool is_fit(const std::vector<Finding>& findings) {
  return std::all_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.good || !finding.required; });
}

}  // namespace vibed
