#include "agent/board.hpp"

#include <nlohmann/json.hpp>

namespace vibed::agent {
namespace {

using Json = nlohmann::ordered_json;

// Whatever bytes an app printed, the line is JSON.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string v1_state(const AgentState& state) {
  switch (state.state) {
    case AppState::idle: return "idle";
    case AppState::starting:
    case AppState::listening:
    case AppState::restarting: return "running";
    case AppState::failed: break;
  }
  return state.reason == "AppExited" && state.exit_status && state.exit_status->ok() ? "exited"
                                                                                     : "failed";
}

}  // namespace

std::string event_line(const AgentState& state) {
  Json json = {{"state", to_string(state.state)}, {"generation", state.generation}};
  json["pid"] = state.running ? state.pid : 0;
  json["port"] = state.port;
  json["address"] = state.address;
  json["command"] = state.command;
  json["plan_reason"] = state.plan_reason;
  json["exit_code"] = state.exit_status ? state.exit_status->code : 0;
  json["exit_signal"] = state.exit_status ? state.exit_status->signal : 0;
  json["restarts"] = state.restarts;
  json["reason"] = state.reason;
  json["message"] = state.message;
  if (state.state == AppState::failed) json["log"] = state.log;
  return text_of(json);
}

std::string status_object(const AgentState& state) {
  Json json = {{"state", v1_state(state)}};
  if (state.running) json["pid"] = state.pid;
  if (state.exit_status && !state.running) json["exitCode"] = state.exit_status->code;
  if (!state.command.empty()) json["command"] = state.command;
  if (state.told_port != 0) json["appPort"] = state.told_port;
  if (state.state == AppState::failed && v1_state(state) == "failed") json["error"] = state.message;
  return text_of(json);
}

void Board::publish(AgentState state) {
  std::lock_guard lock(mutex_);
  note_.state = std::move(state);
  ++note_.version;
  changed_.notify_all();
}

Board::Note Board::read() const {
  std::lock_guard lock(mutex_);
  return note_;
}

std::optional<Board::Note> Board::wait(std::uint64_t seen,
                                       std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return closed_ || note_.version != seen; });
  if (note_.version == seen) return std::nullopt;
  return note_;
}

void Board::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool Board::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace vibed::agent
