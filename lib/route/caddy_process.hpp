// CaddyProcess: one Caddy of ours, started or adopted.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "process/pidfd.hpp"
#include "route/caddy_admin.hpp"
#include "route/caddy_version.hpp"

namespace vibed::route {

// What run/caddy.json remembers, so that the next vibed finds the Caddy of a killed one.
struct CaddyState {
  int pid = 0;
  std::uint64_t start_time = 0;
  std::string program;
  CaddyVersion version;
  std::string listen;
  friend bool operator==(const CaddyState&, const CaddyState&) = default;
};

std::string to_json(const CaddyState& state);
std::optional<CaddyState> caddy_state_from_json(const std::string& text);

// The files of one Caddy, all in the folder of sockets.
struct CaddyFiles {
  std::string run;
  std::string admin_socket() const { return run + "/caddy-admin.sock"; }
  std::string config() const { return run + "/caddy-config.json"; }
  std::string state() const { return run + "/caddy.json"; }
  std::string output() const { return run + "/caddy.out"; }
  std::string home() const { return run + "/caddy"; }
};

struct RunningCaddy {
  Process process;
  CaddyState state;
  bool ours = false;  // a child of this process, to be reaped

  // Whether it ended within `timeout`; then it is reaped as well.
  bool ended(std::chrono::milliseconds timeout);
};

struct CaddyStart {
  CaddyProgram program;
  std::string listen;  // where `document` makes it listen
  nlohmann::json document;
  CaddyFiles files;
  std::stop_token stop = {};
};

// Starts Caddy and returns when it serves. `unavailable` carries what it printed.
Result<RunningCaddy> start_caddy(const CaddyStart& start);

Status remember_caddy(const CaddyState& state, const CaddyFiles& files);

// The Caddy that run/caddy.json names, if it runs and answers; else nothing, and whatever was left
// of it is ended.
std::optional<RunningCaddy> adopt_caddy(const CaddyFiles& files);

// Ends it: asks, waits a while, then kills. Forgets its state and socket.
void stop_caddy(RunningCaddy& caddy, const CaddyFiles& files);

}  // namespace vibed::route
