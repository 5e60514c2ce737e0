// What the doctor makes of what it saw. Pure: nothing is looked at here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sandbox/cgroup.hpp"
#include "vibed/doctor.hpp"
#include "vibed/template.hpp"

namespace vibed {

// A machine as examine_machine() saw it.
struct MachineFacts {
  bool root = false;
  int max_user_namespaces = 1;      // /proc/sys/user/max_user_namespaces
  int unprivileged_namespaces = 1;  // 0: only root may make them (a Debian kernel's switch)

  struct Program {
    std::string path;
    std::string version;
    std::string missing;  // why there is none; empty: there is
    std::string broken;   // why it does not do what vibed needs; empty: it does
  };
  Program bubblewrap;
  Program caddy;
  Program agent;  // without a version

  std::string templates_missing;  // why `templates` could not be read; empty: they were
  std::vector<Template> templates;
  sandbox::LimitsInForce limits;

  std::string data;           // the data folder
  std::string data_existing;  // the nearest folder of its path that is there
  bool data_writable = false;

  struct Port {
    std::string what;    // "port of the API"
    std::string listen;  // "127.0.0.1:8080"
    std::string option;  // "--api"
    std::string taken;   // why it cannot be had; empty: it can
  };
  std::vector<Port> ports;
  std::string domain;
  bool domain_resolves = false;
};

std::vector<Finding> findings_of(const MachineFacts& facts);

}  // namespace vibed
