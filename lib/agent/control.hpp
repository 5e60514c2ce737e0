// The agent's HTTP interface: contract v2, with v1's requests answered as v1 did.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agent/injector.hpp"
#include "http/router.hpp"
#include "http/server.hpp"

namespace vibed::agent {

// The body of an injection: the archive, after what is said about it where that is not a header.
struct InjectBody {
  std::string about;
  std::shared_ptr<http::BodyFile> file;
  std::size_t archive_at = 0;

  bool has_archive() const { return file && file->size() > archive_at; }
  std::unique_ptr<ByteSource> archive() const;  // this outlives it
};

// Control has the handlers. What it is given outlives it, and it outlives the server.
class Control {
 public:
  Control(const AgentConfig& config, AppRunner& runner, Board& board, LogRing& ring)
      : config_(config),
        runner_(runner),
        board_(board),
        ring_(ring),
        injector_(config, runner, board, ring),
        token_(config.token) {}

  // May stay unset; outlives this.
  void use_relay(Relay* relay) { relay_ = relay; }

  http::Router router();

  // To be asked before each request's body is read: the answer to one without the token.
  std::unique_ptr<http::Response> refuse(const http::Request& request);

 private:
  http::Response info();
  http::Response status() const;
  http::Response inject(http::Request& request);
  http::Response inject_v2(http::Request& request);
  http::Response inject_stream(InjectRequest inject, InjectBody body);
  http::Response pull(http::Request& request);
  http::Response events();
  http::Response logs(const http::Request& request);
  http::Response follow_logs(int lines);
  http::Response stop(const http::Request& request);
  http::Response drain(const http::Request& request);
  void tell_outcome(std::uint64_t seen, http::ResponseWriter& out);

  const AgentConfig& config_;
  AppRunner& runner_;
  Board& board_;
  LogRing& ring_;
  Relay* relay_ = nullptr;
  Injector injector_;
  std::mutex mutex_;
  std::string token_;  // guarded by mutex_
  std::mutex probe_mutex_;
  std::optional<std::string> info_;  // guarded by probe_mutex_: the answer, computed once
};

}  // namespace vibed::agent
