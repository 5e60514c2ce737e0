// Asking the agents of spares what they are.
#include "base/log.hpp"
#include "claims/claim_sandbox_pool.hpp"
#include "claims/names.hpp"

namespace vibed::claims {
namespace {

using namespace std::chrono_literals;

constexpr int kAttempts = 3;  // before an agent that does not answer is held against its image
constexpr auto kPause = 1000ms;
constexpr auto kConnect = 2000ms;
constexpr auto kAnswer = 15'000ms;  // its probe may take ten

}  // namespace

void ClaimSandboxPool::validate(const std::string& name, int attempt) {
  std::string host;
  std::string sandbox;
  std::string template_name;
  {
    std::lock_guard lock(mutex_);
    auto at = entries_.find(name);
    // Taken or gone: whose it is now will hear of it.
    if (at == entries_.end() || !at->second.claim.spare || stopping_) return;
    host = agent_host(at->second.claim);
    sandbox = at->second.claim.sandbox;
    template_name = at->second.claim.template_name;
  }
  fetch::Request request;
  request.url = "http://" + host + "/info";
  request.connect_timeout = kConnect;
  request.timeout = kAnswer;
  request.max_body_bytes = 256 * 1024;
  request.stop = stop_.get_token();
  auto answer = agents_->send(request);
  if (!answer && answer.error().code == Errc::cancelled) return;
  if (!answer && attempt < kAttempts) {
    loop_->after(kPause, [this, name, attempt] {
      crew_.add([this, name, attempt] { validate(name, attempt + 1); });
    });
    return;
  }
  std::string why;
  std::string version;
  if (!answer) {
    why = "its agent at " + host + " does not answer the controller: " + answer.error().message;
  } else if (answer->status != 200) {
    why = "its agent answered /info with " + std::to_string(answer->status);
  } else if (auto info = read_agent_info(answer->body)) {
    why = fault_of(template_name, *info);
    version = info->probe_output;
  } else {
    why = info.error().message;
  }
  if (!why.empty()) why = "sandbox " + sandbox + ": " + why;
  note_validation(name, why, version);
}

void ClaimSandboxPool::note_validation(const std::string& name, const std::string& why,
                                       const std::string& runtime_version) {
  std::lock_guard lock(mutex_);
  auto at = entries_.find(name);
  if (at == entries_.end()) return;
  const std::string template_name = at->second.claim.template_name;
  const bool was_closed = !validation_.why_closed(template_name).empty();
  if (why.empty()) {
    validation_.note_good(template_name, runtime_version);
    if (was_closed) log::info("template is available again", {{"template", template_name}});
  } else {
    validation_.note_bad(template_name, why, cluster_now());
    log::warn("template is not available", {{"template", template_name}, {"error", why}});
    // Whoever has been given it meanwhile finds out by himself.
    if (at->second.claim.spare && !at->second.taking) drop(name);
  }
  schedule_tending(0ms);
}

}  // namespace vibed::claims
