// The doctor's eyes; what it makes of what it sees is in doctor_findings.
#include "vibed/doctor.hpp"

#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/files.hpp"
#include "engine/doctor_findings.hpp"
#include "engine/helpers.hpp"
#include "process/run.hpp"
#include "route/caddy_document.hpp"
#include "route/caddy_version.hpp"
#include "route/listen_address.hpp"
#include "sandbox/local_pool.hpp"

namespace vibed {
namespace {

// The number in a file of /proc, or `otherwise`.
int number_in(const std::string& path, int otherwise) {
  auto text = read_file(path, 64);
  return text ? std::atoi(text->c_str()) : otherwise;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Makes a sandbox as vibed would, with nothing in it.
MachineFacts::Program look_at_bubblewrap(const Config& config) {
  MachineFacts::Program facts;
  auto program = sandbox::find_bubblewrap(config.sandbox.bubblewrap);
  if (!program) {
    facts.missing = program.error().message;
    return facts;
  }
  facts.path = *program;
  auto version = run({*program, "--version"});
  facts.version = version ? first_line(version->out) : "unknown version";
  auto tried = run({*program, "--unshare-all", "--unshare-user", "--die-with-parent", "--ro-bind",
                    "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "/bin/true"});
  if (!tried) {
    facts.broken = tried.error().message;
  } else if (!tried->status.ok()) {
    facts.broken = tried->err.empty() ? "it failed without a word" : first_line(tried->err);
  }
  return facts;
}

MachineFacts::Program look_at_caddy(const Config& config, const std::string& search_path) {
  MachineFacts::Program facts;
  auto caddy = route::find_caddy(config.route.caddy, search_path);
  if (!caddy) {
    facts.missing = caddy.error().message;
    return facts;
  }
  facts.path = caddy->path;
  facts.version = route::to_string(caddy->version);
  const auto layout =
      config.route.layout == "per-app" ? route::Layout::per_app : route::Layout::wildcard;
  auto fits = route::check_layout(layout, caddy->version);
  if (!fits) facts.broken = fits.error().message;
  return facts;
}

void look_at_helpers(const DoctorOptions& options, MachineFacts& facts) {
  auto agent = find_agent(options.agent);
  (agent ? facts.agent.path : facts.agent.missing) = agent ? *agent : agent.error().message;
  auto folder = find_templates(options.templates);
  auto templates = folder ? load_templates(*folder) : folder.error();
  if (templates) {
    facts.templates = *std::move(templates);
  } else {
    facts.templates_missing = templates.error().message;
  }
}

// The nearest folder that exists must let us write.
void look_at_data(const std::string& data, MachineFacts& facts) {
  facts.data = data;
  facts.data_existing = data;
  std::string& existing = facts.data_existing;
  while (existing.size() > 1 && ::access(existing.c_str(), F_OK) != 0) {
    existing.resize(std::max<std::size_t>(existing.rfind('/'), 1));
  }
  facts.data_writable = ::access(existing.c_str(), W_OK) == 0;
}

MachineFacts::Port look_at_port(const std::string& what, const std::string& listen,
                                const std::string& option) {
  MachineFacts::Port facts{what, listen, option, ""};
  auto address = route::parse_listen(listen);
  auto claimed = address ? route::claim_port(*address) : std::move(address).error();
  if (!claimed) facts.taken = claimed.error().message;
  return facts;
}

bool resolves(const std::string& name) {
  addrinfo* found = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, nullptr, &found) != 0) return false;
  ::freeaddrinfo(found);
  return true;
}

}  // namespace

std::vector<Finding> examine_machine(const DoctorOptions& options) {
  const Config& config = options.config;
  MachineFacts facts;
  facts.root = ::geteuid() == 0;
  facts.max_user_namespaces = number_in("/proc/sys/user/max_user_namespaces", 1);
  facts.unprivileged_namespaces = number_in("/proc/sys/kernel/unprivileged_userns_clone", 1);
  facts.bubblewrap = look_at_bubblewrap(config);
  facts.caddy = look_at_caddy(config, options.search_path);
  look_at_helpers(options, facts);
  facts.limits = sandbox::limits_in_force();
  look_at_data(options.data, facts);
  facts.ports = {look_at_port("port of the API", config.server.http_addr, "--api"),
                 look_at_port("port of the apps", config.apps.listen, "--apps")};
  facts.domain = config.apps.domain;
  facts.domain_resolves = resolves("vibed-doctor." + facts.domain);
  return findings_of(facts);
}

}  // namespace vibed
