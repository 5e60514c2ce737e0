// Ledger decides which sandbox an app gets, how many are kept warm and when to boot more.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vibed/sandbox_pool.hpp"
#include "vibed/template.hpp"

namespace vibed::sandbox {

struct LedgerLimits {
  std::size_t warm = 100;   // unclaimed sandboxes over all templates: what pool.memory has room for
  std::size_t total = 300;  // sandboxes of any kind
};

// One sandbox as the ledger sees it.
struct Slot {
  enum class Stage { booting, ready };
  Stage stage = Stage::booting;
  std::string label;  // of the app it is claimed for; an unclaimed one has no app_uid
  int boots = 0;      // times it was tried
  bool injected = false;
  Sandbox sandbox;  // phase and all else an observer sees

  bool claimed() const { return !sandbox.app_uid.empty(); }
};

// Holds no lock, no thread and no clock; ids are given to it. The local pool wraps it, tests drive
// it directly.
class Ledger {
 public:
  using Clock = std::chrono::steady_clock::time_point;

  Ledger(std::vector<Template> templates, LedgerLimits limits);

  // What a claim led to. `boot`: the caller boots sandbox.id now.
  struct Claimed {
    Sandbox sandbox;
    bool fresh = false;  // claimed by this call
    bool boot = false;
  };
  Result<Claimed> claim(const SandboxRequest& request, const std::string& new_id, Clock now);

  // Adds a sandbox that somebody will boot, unclaimed.
  void add_boot(const std::string& id, const std::string& template_name);
  // Takes over a sandbox of a predecessor as it is.
  void adopt(Slot slot);

  // It answers. True: it was waited for.
  bool booted(const std::string& id);
  // It did not come up. True: boot it once more (somebody waits for it). Else a claimed one is
  // failed and an unclaimed one forgotten, and its template waits before the next try.
  bool boot_failed(const std::string& id, const std::string& why, Clock now);

  Slot* find(const std::string& id);
  const std::map<std::string, Slot>& slots() const { return slots_; }
  void forget(const std::string& id) { slots_.erase(id); }

  // What would bring the warm sandboxes to where they should be, and when to ask again.
  struct Refill {
    std::vector<std::string> boot;  // a template's name for each sandbox
    std::vector<std::string> end;   // unclaimed sandboxes there are too many of
    std::optional<Clock> next;
  };
  Refill refill(Clock now);

  // Warm sandboxes of these templates were set up in a way that is out of date.
  std::vector<std::string> unclaimed_of(const std::string& template_name) const;

  std::vector<TemplateStatus> templates() const;
  const Template* find_template(const std::string& name) const;
  // Off: claims are kept pending and nothing boots; `why` shows in the template's status.
  void set_bootable(const std::string& template_name, bool bootable, const std::string& why);
  bool bootable(const std::string& template_name) const;

 private:
  struct Kind {
    Template about;
    std::string note;  // shown in its status
    bool bootable = true;
    std::int64_t hits = 0;
    std::int64_t misses = 0;
    int extra = 0;  // wanted warm beyond about.size: grows with misses, shrinks with quiet
    Clock shrink_at = {};
    int failures = 0;
    Clock retry_at = {};

    void missed(Clock now);  // somebody had to wait for a boot
  };

  std::string take_unclaimed(const std::string& template_name) const;
  int count_unclaimed(const std::string& template_name, bool ready_only) const;
  std::map<std::string, int> targets() const;
  void shrink(Clock now);

  LedgerLimits limits_;
  std::map<std::string, Kind> kinds_;
  std::map<std::string, Slot> slots_;
  Clock quiet_at_ = {};  // no refills before: a deploy is on its way
};

}  // namespace vibed::sandbox
