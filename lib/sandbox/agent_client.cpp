#include "sandbox/agent_client.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "base/error_codes.hpp"

namespace vibed::sandbox {
namespace {

using Json = nlohmann::json;

// Long enough for 50 MiB into a sandbox that is short of CPU.
constexpr std::chrono::seconds kInjectTimeout{60};
constexpr std::chrono::seconds kPullTimeout{90};  // the agent gives its download up after 60 s
constexpr std::size_t kLongestHeader = 32 * 1024;

std::string text_of(const Json& value, const char* key) {
  auto at = value.find(key);
  return at != value.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::int64_t number_of(const Json& value, const char* key) {
  auto at = value.find(key);
  return at != value.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

std::vector<std::string> list_of(const Json& value, const char* key) {
  std::vector<std::string> result;
  auto at = value.find(key);
  if (at == value.end() || !at->is_array()) return result;
  for (const Json& each : *at)
    if (each.is_string()) result.push_back(each.get<std::string>());
  return result;
}

std::string command_of(const Json& value) {
  std::string command;
  for (const std::string& word : list_of(value, "command"))
    command += (command.empty() ? "" : " ") + word;
  std::string reason = text_of(value, "plan_reason");
  return command.empty() || reason.empty() ? command : command + " (" + reason + ")";
}

fetch::Request request_to(const AgentAddress& agent, const std::string& method,
                          const std::string& target) {
  fetch::Request request;
  request.method = method;
  request.url = "http://" + (agent.host.empty() ? "localhost" : agent.host) + target;
  request.unix_socket = agent.control_socket;
  request.headers = {{"Authorization", "Bearer " + agent.token}};
  return request;
}

// What the agent says went wrong: {"error": "…"}.
std::string error_of(const fetch::Response& response) {
  Json body = Json::parse(response.body, nullptr, false);
  std::string text = body.is_object() ? text_of(body, "error") : "";
  if (text.empty() && body.is_object()) text = text_of(body, "message");
  return text.empty() ? "the agent answered " + std::to_string(response.status) : text;
}

// `first`, then `second`; neither is owned.
class JoinedSource final : public ByteSource {
 public:
  JoinedSource(std::string_view first, ByteSource& second)
      : first_(make_memory_source(first)), second_(second) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    auto count = first_->read(buffer);
    return count && *count == 0 ? second_.read(buffer) : std::move(count);
  }

 private:
  std::unique_ptr<ByteSource> first_;
  ByteSource& second_;
};

Json about(const AgentAddress& agent, std::int64_t generation, const Injection& injection) {
  Json about = {{"token", agent.token}, {"generation", generation}, {"env", Json::object()}};
  if (!injection.entrypoint.empty()) about["entrypoint"] = injection.entrypoint;
  for (const EnvVar& variable : injection.env) about["env"][variable.name] = variable.value;
  return about;
}

Status send_injection(fetch::Client& client, const AgentAddress& agent, const Json& about,
                      ByteSource& source, std::chrono::milliseconds timeout, std::stop_token stop) {
  fetch::Request request = request_to(agent, "POST", "/inject");
  request.headers.emplace_back("Content-Type", "application/gzip");
  std::string text = about.dump(-1, ' ', false, Json::error_handler_t::replace);
  // A header has little room (64 KiB at the agent); an app may have more environment than that.
  bool brief = text.size() <= kLongestHeader;
  request.headers.emplace_back(brief ? "X-Vibed-Inject" : "X-Vibed-Inject-Length",
                               brief ? text : std::to_string(text.size()));
  JoinedSource joined(brief ? std::string_view() : text, source);
  request.body_source = &joined;
  request.timeout = timeout;
  request.stop = std::move(stop);
  auto response = client.send(request);
  if (!response) return std::move(response).error().during("inject");
  if (response->status == 409) return Error{Errc::conflict, error_of(*response)};
  if (response->status != 200) return Error{Errc::unavailable, error_of(*response)};
  return success();
}

}  // namespace

Result<AgentEvent> agent_event_from_json(std::string_view line) {
  Json value = Json::parse(line, nullptr, false);
  if (!value.is_object()) return Error{Errc::invalid_argument, "an event is not a JSON object"};
  AgentEvent event;
  event.state = text_of(value, "state");
  event.generation = number_of(value, "generation");
  event.port = static_cast<int>(number_of(value, "port"));
  event.start_command = command_of(value);
  event.reason = text_of(value, "reason");
  event.message = text_of(value, "message");
  event.log = list_of(value, "log");
  return event;
}

void apply_agent_event(Sandbox& sandbox, const AgentEvent& event) {
  if (sandbox.phase == SandboxPhase::failed || sandbox.phase == SandboxPhase::gone) return;
  if (!event.start_command.empty()) sandbox.start_command = event.start_command;
  if (event.state == "listening") {
    sandbox.phase = SandboxPhase::listening;
    sandbox.port = event.port;
  } else if (event.state == "restarting") {
    if (sandbox.phase == SandboxPhase::starting) return;
    sandbox.phase = SandboxPhase::starting;
    sandbox.injected_at = std::chrono::system_clock::now();
  } else if (event.state == "failed") {
    sandbox.phase = SandboxPhase::failed;
    sandbox.reason = event.reason.empty() ? "StartFailed" : event.reason;
    sandbox.message = event.message;
    sandbox.log_tail = event.log;
  }
}

namespace {

Result<Fd> connect_to_host(const std::string& host, std::chrono::milliseconds timeout) {
  // "10.78.0.5:9000" or "[fd00::5]:9000": addresses, never names.
  std::size_t colon = host.rfind(':');
  std::string address = host.substr(0, colon == std::string::npos ? host.size() : colon);
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  std::string port = colon == std::string::npos ? "" : host.substr(colon + 1);
  if (::getaddrinfo(address.c_str(), port.c_str(), &hints, &found) != 0 || found == nullptr)
    return Error{Errc::invalid_argument, host + " is not an address and a port"};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  Fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("make a socket");
  if (::connect(fd.get(), found->ai_addr, found->ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS) return errno_error("connect to the agent");
  pollfd waiting{fd.get(), POLLOUT, 0};
  if (::poll(&waiting, 1, static_cast<int>(timeout.count())) != 1)
    return Error{Errc::deadline_exceeded, "the agent at " + host + " does not answer"};
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) return errno_error("connect to the agent", failure);
  return fd;
}

Result<Fd> connect_to_socket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return make_error("path_too_long", path + " is too long for a unix socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  // Non-blocking from the start: a full backlog is an agent that does not work, not one to wait
  // for.
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("make a socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return errno_error("connect to the agent");
  return fd;
}

}  // namespace

Result<Fd> open_agent_events(const AgentAddress& agent, std::chrono::milliseconds timeout) {
  auto fd = agent.host.empty() ? connect_to_socket(agent.control_socket)
                               : connect_to_host(agent.host, timeout);
  if (!fd) return fd;
  std::string head = "GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
                     agent.token + "\r\nAccept: application/x-ndjson\r\n\r\n";
  // A fresh socket's buffer has room for it.
  if (::send(fd->get(), head.data(), head.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(head.size()))
    return errno_error("ask the agent for events");
  return fd;
}

Status agent_inject(fetch::Client& client, const AgentAddress& agent, std::int64_t generation,
                    const Injection& injection, ByteSource& source, std::stop_token stop) {
  return send_injection(client, agent, about(agent, generation, injection), source, kInjectTimeout,
                        std::move(stop));
}

Status agent_inject_from(fetch::Client& client, const AgentAddress& agent, std::int64_t generation,
                         const Injection& injection, const std::string& url, std::stop_token stop) {
  Json what = about(agent, generation, injection);
  what["source_url"] = url;
  auto nothing = make_memory_source("");
  return send_injection(client, agent, what, *nothing, kPullTimeout, std::move(stop));
}

Result<int> agent_drain(fetch::Client& client, const AgentAddress& agent,
                        std::chrono::milliseconds timeout) {
  fetch::Request request = request_to(agent, "POST", "/drain");
  request.timeout = timeout;
  request.connect_timeout = timeout;
  auto response = client.send(request);
  if (!response) return std::move(response).error().during("drain");
  if (response->status != 200) return Error{Errc::unavailable, error_of(*response)};
  Json body = Json::parse(response->body, nullptr, false);
  return body.is_object() ? static_cast<int>(number_of(body, "connections")) : 0;
}

}  // namespace vibed::sandbox
