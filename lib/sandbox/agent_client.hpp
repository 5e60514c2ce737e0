// AgentClient speaks to the agent of one sandbox.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "fetch/fetch.hpp"
#include "vibed/sandbox_pool.hpp"
#include "vibed/source_store.hpp"

namespace vibed::sandbox {

// One line of GET /events.
struct AgentEvent {
  std::string state;  // idle, starting, listening, restarting, failed
  std::int64_t generation = 0;
  int port = 0;
  std::string start_command;  // "node server.js (package.json: main)"
  std::string reason;
  std::string message;
  std::vector<std::string> log;
};
Result<AgentEvent> agent_event_from_json(std::string_view line);

// Where an agent is and what opens it.
struct AgentAddress {
  std::string control_socket;
  std::string token;
  std::string host = {};  // "10.78.0.5:9000" of one that has no socket here
};

// Connects to the agent's event stream and asks for it. The descriptor does not block; its answer
// is for a LineStream. Waits at most `timeout` for a host, and not at all for a socket.
Result<Fd> open_agent_events(const AgentAddress& agent, std::chrono::milliseconds timeout = {});

// Writes what `event` says into an injected sandbox, unless that has failed or is gone.
void apply_agent_event(Sandbox& sandbox, const AgentEvent& event);

// Sends the source into the sandbox and returns when the agent has taken it and started the app.
// `conflict`: it has had a source already.
Status agent_inject(fetch::Client& client, const AgentAddress& agent, std::int64_t generation,
                    const Injection& injection, ByteSource& source, std::stop_token stop = {});

// The same, and the agent pulls the source from `url` itself.
Status agent_inject_from(fetch::Client& client, const AgentAddress& agent, std::int64_t generation,
                         const Injection& injection, const std::string& url,
                         std::stop_token stop = {});

// The relay takes no new connection when this returns; how many are still open.
Result<int> agent_drain(fetch::Client& client, const AgentAddress& agent,
                        std::chrono::milliseconds timeout);

// The app's lines. The client outlives the stream.
std::unique_ptr<LogStream> agent_logs(fetch::Client& client, const AgentAddress& agent,
                                      const LogRequest& request);

}  // namespace vibed::sandbox
