// Injector brings a source tree into the workdir and has the app started.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "agent/app_runner.hpp"
#include "agent/inject_request.hpp"
#include "http/download.hpp"
#include "vibed/archive.hpp"
#include "vibed/stream.hpp"

namespace vibed::agent {

// All methods may be called from any thread; what they are given outlives the injector.
class Injector {
 public:
  using Tell = std::function<void(const std::string& line)>;  // one JSON line of what happened

  Injector(const AgentConfig& config, AppRunner& runner, Board& board, LogRing& ring)
      : config_(config), runner_(runner), board_(board), ring_(ring) {}

  // Takes the sandbox for this request, or fails with `conflict`: one source, once.
  Status claim();

  // Extracts the archive, which is `pushed` or behind the request's source_url, and starts what the
  // start plan says, telling each step. Failures are on the board when this returns; the answer
  // says the same.
  // REQUIRES: claim() succeeded
  Status inject(const InjectRequest& request, ByteSource& pushed, const Tell& tell);

  // Contract v1: replaces what runs, waits for the start. `stop` may end a download.
  Status pull(const PullRequest& request, const std::function<bool()>& stop);

 private:
  Status extract(const InjectRequest& request, ByteSource& pushed, const Tell& tell);
  Result<http::Downloaded> fetch(const std::string& url, const std::function<bool()>& stop) const;
  Result<AppPlan> plan_of(const InjectRequest& request);
  Status stage(const PullRequest& request, const std::string& folder,
               const std::function<bool()>& stop);

  const AgentConfig& config_;
  AppRunner& runner_;
  Board& board_;
  LogRing& ring_;
  std::mutex mutex_;
  std::mutex pulling_;    // one v1 injection at a time
  bool claimed_ = false;  // guarded by mutex_
  bool pulled_ = false;   // by contract v1; guarded by mutex_
};

}  // namespace vibed::agent
