// ClaimSandboxPool ties the parts together: see claim_pool.hpp for what it promises.
//
// Informers tell what is in the cluster, agents what happens in the pods; both write entries, from
// which sandboxes are read. What goes to the cluster is written through: an entry is as new as the
// last answer. One mutex guards all state; nothing that waits happens under it.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "claims/agent_watch.hpp"
#include "claims/claim.hpp"
#include "claims/claim_pool.hpp"
#include "claims/line.hpp"
#include "claims/manifests.hpp"
#include "claims/validation.hpp"
#include "control/informer.hpp"
#include "fetch/fetch.hpp"
#include "sandbox/notifier.hpp"

namespace vibed::claims {

// A claim and what is known of its sandbox.
struct Entry {
  Claim claim;
  Sandbox sandbox;  // of an assigned one
  std::shared_ptr<AgentWatch> watch;
  bool known = false;      // what its agent has is known: it was just taken, or was asked
  bool injecting = false;  // begun, by this process
  bool injected = false;   // its agent has said so
  bool taking = false;     // a spare that is being given to an app
  std::string owner;       // of the app, if this process has claimed it
  bool asked = false;      // a spare whose agent is, or was, asked what it is
  // Of the watch: the one last heard of, and the one when the injection was over.
  std::uint64_t connection = 0;
  std::uint64_t injected_on = 0;
};

class ClaimSandboxPool final : public ClaimPool {
 public:
  static constexpr std::size_t kThreads = 16;

  ClaimSandboxPool(kube::Client& client, SourceStore& sources, ClaimPoolOptions options,
                   std::unique_ptr<sandbox::EventLoop> loop);
  ~ClaimSandboxPool() override;

  void start();

  Result<Sandbox> claim(const SandboxRequest& request) override;
  Status inject(const std::string& id, const Injection& injection) override;
  Status expose(const std::string& label, const std::string& id) override;
  Status release(const std::string& id) override;
  std::vector<Sandbox> observe(const std::string& app_uid) override;
  std::vector<Sandbox> observe_all() override;
  Result<std::unique_ptr<LogStream>> logs(const std::string& id,
                                          const LogRequest& request) override;
  std::vector<TemplateStatus> templates() override;
  void subscribe(std::function<void(const std::string& app)> on_change) override;
  Status wait_synced(const std::stop_token& stop,
                     std::chrono::steady_clock::time_point deadline) override;
  std::optional<std::chrono::steady_clock::time_point> deaf_since() const override;

 private:
  // With mutex_ held.
  Entry* find(const std::string& id);
  Entry* put(const kube::Json& object);
  void settle(Entry& entry);
  void hear(Entry& entry);
  void move(Entry& entry);
  void lose(Entry& entry, const std::string& why);
  void forget(const std::string& name);
  void drop(const std::string& name);
  void put_service(const kube::Json& object);
  std::vector<Claim> claims(const std::string& app_uid) const;
  bool exposed(const Entry& entry) const;
  bool selected(const Entry& entry) const;           // by the Service, whose endpoints may be older
  std::string agent_host(const Claim& claim) const;  // no lock needed
  Sandbox use(const Choice& choice);
  void begin(const Choice& choice, const SandboxRequest& request);
  struct Room {
    int spares = 0;  // that an app may take
    int boots = 0;   // claims that may begin to boot
    Booting booting;
  };
  Room room(const std::string& template_name) const;
  void call_in();

  // With it or without: the time by the clock that ends claims and says when they were made, which
  // may not be ours.
  Time cluster_now() const { return std::chrono::system_clock::now() + client_.clock_offset(); }

  // Without it.
  std::vector<Sandbox> select(std::string_view app_uid);
  Result<Sandbox> claim_anew(const Choice& choice, const SandboxRequest& request, bool waited);
  void claim_in_turn(const SandboxRequest& request);
  Result<std::string> pool_of(const std::string& template_name) const;
  Result<std::string> open_pool_of(const std::string& template_name) const;
  Result<kube::Json> give(const Claim& spare, const SandboxRequest& request);
  Result<kube::Json> take(const Choice& choice, const SandboxRequest& request, std::string& taken);
  void on_claim(const control::Change& change);
  void on_service(const control::Change& change);
  void on_event(const std::string& id, const sandbox::AgentEvent& event, std::uint64_t connection);
  void check_binding(const std::string& id);
  void bring_in(const std::string& id, const Injection& injection, std::int64_t generation,
                int attempt = 1);
  struct Source {
    std::unique_ptr<ByteSource> bytes;  // null: it is pulled
    std::string url;
  };
  Result<Source> find_source(const std::string& key);
  void await_source(const std::string& id, const Injection& injection, std::int64_t generation,
                    int attempt, const Error& error);
  void fail(const std::string& id, const std::string& reason, const std::string& message);
  Status make_service(const SandboxRequest& request);
  Status point_service(const std::string& label, const SandboxRequest& request, const Claim& claim,
                       std::string& pod_uid);
  Status wait_for_endpoint(const std::string& label, const std::string& pod_uid);
  void shut_relay(const sandbox::AgentAddress& agent, const std::string& id);
  void end_claim(const std::string& name, const std::string& uid, const std::string& version = "");
  void look_again(const std::string& name);
  void schedule_tending(std::chrono::milliseconds delay);
  void tend();
  void carry_out(const SparePlan& plan);
  void validate(const std::string& name, int attempt);
  void note_validation(const std::string& name, const std::string& why,
                       const std::string& runtime_version);

  kube::Client& client_;
  SourceStore& sources_;
  const ClaimPoolOptions options_;
  std::unique_ptr<fetch::Client> agents_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;                  // slices, claims under way, stopping
  using Key = std::pair<std::string, std::int64_t>;  // app uid, generation
  std::map<Key, SandboxRequest> claiming_;           // claims being made; guarded by mutex_
  Line line_;                                        // for what there is no room; the same
  std::map<Key, Error> refused_;  // what came of some, to be told once; while there is a line
  std::map<std::string, Entry> entries_;        // by name; guarded by mutex_
  std::set<std::string> released_;              // asked to go, still in the cluster; the same
  std::map<std::string, kube::Json> services_;  // as written, by label; the same
  std::map<std::string, std::int64_t> hits_;    // by template; the same
  std::map<std::string, std::int64_t> misses_;
  std::map<std::string, Demand> demand_;  // the same
  Validation validation_;                 // the same
  bool tending_ = true;                   // not before start() is through; the same
  bool tend_again_ = false;
  bool stopping_ = false;
  std::stop_source stop_;  // of calls to agents
  sandbox::Notifier notifier_;
  std::unique_ptr<sandbox::EventLoop> loop_;
  sandbox::WorkCrew crew_;
  // Last: their threads call into all of the above.
  std::unique_ptr<control::Informer> pools_;
  std::unique_ptr<control::Informer> slices_;
  std::unique_ptr<control::Informer> service_informer_;
  std::unique_ptr<control::Informer> claim_informer_;
};

}  // namespace vibed::claims
