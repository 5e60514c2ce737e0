#include "claims/claim_view.hpp"

#include <algorithm>
#include <array>

#include "claims/claim.hpp"
#include "claims/manifests.hpp"
#include "claims/names.hpp"
#include "claims/warm_pool.hpp"
#include "control/informer.hpp"
#include "fetch/fetch.hpp"
#include "sandbox/agent_client.hpp"

namespace vibed::claims {
namespace {

using control::Informer;
using control::InformerOptions;
using Steady = std::chrono::steady_clock;

constexpr char kOfApp[] = "app";      // index of claims, by app uid
constexpr char kOfLabel[] = "label";  // index of Services

Error only_looks() {
  return Error{Errc::permission_denied, "this process looks at sandboxes and changes none"};
}

SandboxPhase phase_of(Stage stage) {
  switch (stage) {
    case Stage::pending: return SandboxPhase::pending;
    case Stage::ready: return SandboxPhase::bound;
    case Stage::refused: return SandboxPhase::failed;
    case Stage::over: return SandboxPhase::gone;
  }
  return SandboxPhase::gone;
}

InformerOptions of_kind(const kube::Resource& resource, const std::string& space) {
  InformerOptions options;
  options.resource = resource;
  options.space = space;
  return options;
}

InformerOptions indexed(InformerOptions options, const char* index, const char* label) {
  options.labels = label;
  options.indexes[index] = [label](const kube::Json& object) {
    return std::vector<std::string>{kube::text_at(object, {"metadata", "labels", label})};
  };
  return options;
}

class View final : public ClaimView {
 public:
  View(kube::Client& client, ClaimViewOptions options)
      : options_(std::move(options)),
        agents_(fetch::make_client()),
        pools_(Informer::start(client, of_kind(sandbox_warm_pools(), options_.space))),
        // All claims, the spares too: they are counted.
        claims_(Informer::start(client, claims_of(options_.space))),
        services_(Informer::start(
            client, indexed(of_kind(kube::services(), options_.space), kOfLabel, kUrlLabel))) {}

  Result<Sandbox> claim(const SandboxRequest&) override { return only_looks(); }
  Status inject(const std::string&, const Injection&) override { return only_looks(); }
  Status expose(const std::string&, const std::string&) override { return only_looks(); }
  Status release(const std::string&) override { return only_looks(); }
  void subscribe(std::function<void(const std::string&)>) override {}

  std::vector<Sandbox> observe(const std::string& app_uid) override {
    return sandboxes_of(claims_->find_by(kOfApp, app_uid));
  }
  std::vector<Sandbox> observe_all() override { return sandboxes_of(claims_->all()); }

  Result<std::unique_ptr<LogStream>> logs(const std::string& id,
                                          const LogRequest& request) override {
    control::Object found = claims_->find({options_.space, id});
    if (!found) return Error{Errc::not_found, "no sandbox " + id};
    Claim claim = read_claim(*found);
    if (claim.stage != Stage::ready) {
      return Error{Errc::not_found, "the sandbox " + id + " does not run, so no log lines"};
    }
    sandbox::AgentAddress agent;
    agent.host = pod_address(claim, options_.agent_port != 0 ? options_.agent_port : kAgentPort);
    agent.token = agent_token(options_.install_secret, claim.uid);
    return sandbox::agent_logs(*agents_, agent, request);
  }

  std::vector<TemplateStatus> templates() override {
    std::vector<TemplateStatus> result;
    for (const control::Object& pool : pools_->all()) result.push_back(read_warm_pool(*pool));
    for (const control::Object& object : claims_->all()) {
      Claim claim = read_claim(*object);
      auto at = std::find_if(result.begin(), result.end(), [&](const TemplateStatus& status) {
        return status.name == claim.template_name;
      });
      if (at == result.end()) continue;
      if (claim.assigned()) ++at->claimed;
      if (claim.spare && claim.stage == Stage::ready) ++at->ready;
    }
    return result;
  }

  Status wait_synced(const std::stop_token& stop, Steady::time_point deadline) override {
    for (const Informer* informer : informers()) {
      if (Status synced = informer->wait_synced(stop, deadline); !synced) return synced;
    }
    return success();
  }

  std::optional<Steady::time_point> deaf_since() const override {
    std::optional<Steady::time_point> first;
    for (const Informer* informer : informers()) {
      auto since = informer->deaf_since();
      if (since && (!first || *since < *first)) first = since;
    }
    return first;
  }

 private:
  static InformerOptions claims_of(const std::string& space) {
    InformerOptions options = indexed(of_kind(sandbox_claims(), space), kOfApp, kAppUidLabel);
    options.labels.clear();
    return options;
  }

  std::array<const Informer*, 3> informers() const {
    return {pools_.get(), claims_.get(), services_.get()};
  }

  std::vector<Sandbox> sandboxes_of(const std::vector<control::Object>& objects) const {
    std::vector<Sandbox> result;
    for (const control::Object& object : objects) {
      Claim claim = read_claim(*object);
      if (claim.assigned()) result.push_back(sandbox_of(claim));
    }
    std::sort(result.begin(), result.end(), [](const Sandbox& a, const Sandbox& b) {
      return std::tie(a.app, a.generation) < std::tie(b.app, b.generation);
    });
    return result;
  }

  Sandbox sandbox_of(const Claim& claim) const {
    Sandbox sandbox;
    sandbox.id = claim.name;
    sandbox.app = claim.app;
    sandbox.app_uid = claim.app_uid;
    sandbox.generation = claim.generation;
    sandbox.template_name = claim.template_name;
    sandbox.phase = phase_of(claim.stage);
    sandbox.reason = claim.reason;
    sandbox.message = claim.message;
    sandbox.address = relay_address(claim);
    for (const control::Object& service : services_->find_by(kOfLabel, claim.label)) {
      sandbox.exposed = selects(*service, claim);
    }
    return sandbox;
  }

  const ClaimViewOptions options_;
  const std::unique_ptr<fetch::Client> agents_;
  const std::unique_ptr<Informer> pools_;
  const std::unique_ptr<Informer> claims_;
  const std::unique_ptr<Informer> services_;
};

}  // namespace

std::unique_ptr<ClaimView> open_claim_view(kube::Client& client, ClaimViewOptions options) {
  return std::make_unique<View>(client, std::move(options));
}

}  // namespace vibed::claims
