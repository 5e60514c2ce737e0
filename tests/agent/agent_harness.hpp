// The real vibed-agent as PID 1 of a real bubblewrap sandbox, and a small HTTP client for it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "process/pidfd.hpp"
#include "support/temp_dir.hpp"

namespace vibed::agent {

using Headers = std::map<std::string, std::string>;

// One request on a connection of its own, and its answer as it comes.
class Exchange {
 public:
  // Sends the request and reads the head of the answer. status() is 0 if there was none.
  Exchange(const std::string& socket, const std::string& request);

  int status() const { return status_; }
  const std::string& head() const { return head_; }

  // The next line of the body without its newline, empty ones (sent to keep alive) left out;
  // nothing at its end or after 20 s.
  std::optional<std::string> line();

  // The next line that is a JSON object.
  nlohmann::json json_line();

  // All that is left of the body.
  std::string rest();

  // Whether the connection ended with a reset instead of an end.
  bool reset() const { return reset_; }

  bool send(const std::string& more);
  std::string read_raw(std::size_t size);

 private:
  bool receive();
  bool decode();

  Fd fd_;
  int status_ = 0;
  bool chunked_ = false;
  bool ended_ = false;
  bool reset_ = false;
  std::string head_;
  std::string raw_;   // received, not decoded
  std::string body_;  // decoded, not taken
};

std::string request_text(const std::string& method, const std::string& path,
                         const Headers& headers = {}, const std::string& body = "");

class AgentSandbox {
 public:
  // Returns when the agent answers. `environment` goes on top of what every test needs.
  explicit AgentSandbox(const Headers& environment = {});
  ~AgentSandbox();

  // Whether bubblewrap works here; if not a test cannot run.
  static bool possible();

  Exchange call(const std::string& method, const std::string& path, const Headers& headers = {},
                const std::string& body = "") const;
  Exchange app(const std::string& method, const std::string& path, const Headers& headers = {},
               const std::string& body = "") const;

  // POST /inject of a tree, answered with the stream of what happens. `meta` is X-Vibed-Inject.
  Exchange push(const std::map<std::string, std::string>& files, nlohmann::json meta) const;
  Exchange push_bytes(const std::string& archive, nlohmann::json meta) const;

  std::string control_socket() const { return scratch_ / "control.sock"; }
  std::string app_socket() const { return scratch_ / "app.sock"; }

  // The agent's pid on the host.
  pid_t agent_pid() const;
  Process& process() { return process_; }

 private:
  testing::TempDir scratch_;
  Process process_;  // bubblewrap's outer process
};

// A Python program that serves HTTP on (host, port): GET /crash ends it with code 3, everything
// else is answered with the method and the length of the body.
std::string python_server(const std::string& host = "0.0.0.0", const std::string& port = "",
                          const std::string& before = "");

}  // namespace vibed::agent
