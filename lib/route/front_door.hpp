// FrontDoor: Caddy as vibed's child. Started or adopted, configured, brought back when it dies.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "vibed/result.hpp"
#include "vibed/route_table.hpp"

namespace vibed::route {

struct FrontDoorOptions {
  std::string run;                         // absolute; Caddy's sockets, state and log go here
  std::string listen = "127.0.0.1:18080";  // port 0: a free one, or an adopted Caddy's
  std::string domain = "localhost";
  std::string layout = "wildcard";  // or "per-app"
  std::string program = {};         // empty: `caddy` in search_path or the usual folders
  std::string search_path = {};     // as $PATH
};

// How it is doing.
struct FrontDoorCondition {
  bool serving = false;
  bool adopted = false;  // it is the Caddy of a predecessor
  int pid = 0;
  int restarts = 0;                          // since start()
  std::chrono::milliseconds last_outage{0};  // from its death to its serving again
  std::string version;                       // "2.6.2"
  std::string message;                       // why not serving
};

// All methods may be called from any thread at once. The destructor stops Caddy unless it is kept.
class FrontDoor {
 public:
  // Returns when Caddy serves. Reasons: bad_config, address_in_use; `not_found` without a Caddy.
  static Result<std::unique_ptr<FrontDoor>> start(const FrontDoorOptions& options);
  virtual ~FrontDoor() = default;

  virtual std::string address() const = 0;  // "127.0.0.1:18080", the port as it is
  virtual RouteTable& routes() = 0;         // lives as long as the front door
  virtual FrontDoorCondition condition() const = 0;

  // The destructor and stop() leave Caddy running, to be adopted by the next start().
  virtual void keep() = 0;
  // Ends Caddy within a few seconds. Idempotent.
  virtual void stop() = 0;
};

}  // namespace vibed::route
