#include "sandbox/ledger.hpp"

#include <algorithm>
#include <utility>

#include "base/error_codes.hpp"

namespace vibed::sandbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How long refills stay out of a deploy's way.
constexpr milliseconds kQuiet{150};
constexpr int kMaxExtra = 32;
constexpr seconds kShrinkAfter{60};
constexpr int kBootTries = 2;

Sandbox new_sandbox(const std::string& id, const Template& from) {
  Sandbox sandbox;
  sandbox.id = id;
  sandbox.template_name = from.name;
  sandbox.runtime_version = from.runtime_version;
  return sandbox;
}

void assign(Slot& slot, const SandboxRequest& request) {
  slot.label = request.label;
  slot.sandbox.app = request.app;
  slot.sandbox.app_uid = request.app_uid;
  slot.sandbox.generation = request.generation;
  slot.sandbox.phase =
      slot.stage == Slot::Stage::ready ? SandboxPhase::bound : SandboxPhase::pending;
}

}  // namespace

void Ledger::Kind::missed(Clock now) {
  ++misses;
  extra = std::min(2 * extra + 1, kMaxExtra);
  shrink_at = now + kShrinkAfter;
}

Ledger::Ledger(std::vector<Template> templates, LedgerLimits limits) : limits_(limits) {
  for (Template& about : templates) {
    std::string name = about.name;
    Kind kind;
    kind.about = std::move(about);
    kinds_.emplace(name, std::move(kind));
  }
}

Result<Ledger::Claimed> Ledger::claim(const SandboxRequest& request, const std::string& new_id,
                                      Clock now) {
  for (const auto& [id, slot] : slots_) {
    if (slot.sandbox.app_uid == request.app_uid && slot.sandbox.generation == request.generation &&
        slot.sandbox.phase != SandboxPhase::gone)
      return Claimed{slot.sandbox, false, false};
  }
  auto at = kinds_.find(request.template_name);
  if (at == kinds_.end())
    return make_error("template_missing", "no template " + request.template_name);
  Kind& kind = at->second;
  if (!kind.about.available)
    return make_error("template_unavailable", kind.about.name + ": " + kind.about.message);
  quiet_at_ = now + kQuiet;
  if (std::string id = take_unclaimed(kind.about.name); !id.empty()) {
    Slot& slot = slots_.at(id);
    // One that still boots is a miss as well: somebody waits.
    if (slot.stage == Slot::Stage::booting)
      kind.missed(now);
    else
      ++kind.hits;
    assign(slot, request);
    return Claimed{slot.sandbox, true, false};
  }
  if (slots_.size() >= limits_.total)
    return make_error("pool_exhausted", "all " + std::to_string(limits_.total) +
                                            " sandboxes this machine may have are in use");
  kind.missed(now);
  Slot slot;
  slot.sandbox = new_sandbox(new_id, kind.about);
  slot.boots = kind.bootable ? 1 : 0;
  assign(slot, request);
  Claimed claimed{slot.sandbox, true, kind.bootable};
  slots_.emplace(new_id, std::move(slot));
  return claimed;
}

void Ledger::add_boot(const std::string& id, const std::string& template_name) {
  Slot slot;
  slot.sandbox = new_sandbox(id, kinds_.at(template_name).about);
  slot.boots = 1;
  slots_.emplace(id, std::move(slot));
}

void Ledger::adopt(Slot slot) {
  std::string id = slot.sandbox.id;
  slots_.insert_or_assign(id, std::move(slot));
}

bool Ledger::booted(const std::string& id) {
  Slot* slot = find(id);
  if (slot == nullptr || slot->stage == Slot::Stage::ready) return false;
  slot->stage = Slot::Stage::ready;
  if (auto at = kinds_.find(slot->sandbox.template_name);
      at != kinds_.end() && std::exchange(at->second.failures, 0) > 0)
    at->second.note.clear();
  if (!slot->claimed()) return false;
  slot->sandbox.phase = SandboxPhase::bound;
  return true;
}

bool Ledger::boot_failed(const std::string& id, const std::string& why, Clock now) {
  Slot* slot = find(id);
  if (slot == nullptr || slot->stage == Slot::Stage::ready) return false;
  if (auto at = kinds_.find(slot->sandbox.template_name); at != kinds_.end()) {
    Kind& kind = at->second;
    kind.failures = std::min(kind.failures + 1, 6);
    kind.retry_at = now + seconds(1 << kind.failures);
    kind.note = "its last sandbox did not start: " + why;
  }
  if (!slot->claimed()) {
    slots_.erase(id);
    return false;
  }
  if (slot->boots++ < kBootTries) return true;
  slot->sandbox.phase = SandboxPhase::failed;
  slot->sandbox.reason = "SandboxFailed";
  slot->sandbox.message = "the sandbox did not start: " + why;
  return false;
}

Slot* Ledger::find(const std::string& id) {
  auto at = slots_.find(id);
  return at == slots_.end() ? nullptr : &at->second;
}

std::string Ledger::take_unclaimed(const std::string& template_name) const {
  std::string booting;
  for (const auto& [id, slot] : slots_) {
    if (slot.claimed() || slot.sandbox.template_name != template_name) continue;
    if (slot.stage == Slot::Stage::ready) return id;
    booting = id;
  }
  return booting;
}

int Ledger::count_unclaimed(const std::string& template_name, bool ready_only) const {
  return static_cast<int>(std::count_if(slots_.begin(), slots_.end(), [&](const auto& entry) {
    const Slot& slot = entry.second;
    return !slot.claimed() && slot.sandbox.template_name == template_name &&
           (!ready_only || slot.stage == Slot::Stage::ready);
  }));
}

std::vector<std::string> Ledger::unclaimed_of(const std::string& template_name) const {
  std::vector<std::string> ids;
  for (const auto& [id, slot] : slots_)
    if (!slot.claimed() && slot.sandbox.template_name == template_name) ids.push_back(id);
  return ids;
}

// One sandbox for each template in turn until all have what they want or the room is used up.
std::map<std::string, int> Ledger::targets() const {
  std::map<std::string, int> result;
  std::size_t used = 0;
  for (int round = 0; used < limits_.warm; ++round) {
    bool any = false;
    for (const auto& [name, kind] : kinds_) {
      bool wanted = kind.about.available && kind.bootable && round < kind.about.size + kind.extra;
      if (!wanted || used >= limits_.warm) continue;
      ++result[name];
      ++used;
      any = true;
    }
    if (!any) break;
  }
  return result;
}

void Ledger::shrink(Clock now) {
  for (auto& [name, kind] : kinds_) {
    if (kind.extra == 0 || now < kind.shrink_at) continue;
    kind.extra /= 2;
    kind.shrink_at = now + kShrinkAfter;
  }
}

Ledger::Refill Ledger::refill(Clock now) {
  Refill result;
  auto ask_again = [&](Clock at) { result.next = std::min(result.next.value_or(at), at); };
  shrink(now);
  auto targets = this->targets();
  std::size_t room = limits_.total - std::min(limits_.total, slots_.size());
  for (auto& [name, kind] : kinds_) {
    int missing = targets[name] - count_unclaimed(name, false);
    if (kind.extra > 0) ask_again(kind.shrink_at);
    if (missing < 0) {
      auto ids = unclaimed_of(name);
      ids.resize(std::min(ids.size(), static_cast<std::size_t>(-missing)));
      result.end.insert(result.end.end(), ids.begin(), ids.end());
    }
    if (missing <= 0) continue;
    Clock due = std::max(quiet_at_, kind.retry_at);
    if (now < due) {
      ask_again(due);
      continue;
    }
    for (; missing > 0 && room > 0; --missing, --room) result.boot.push_back(name);
  }
  return result;
}

std::vector<TemplateStatus> Ledger::templates() const {
  std::vector<TemplateStatus> result;
  for (const auto& [name, kind] : kinds_) {
    TemplateStatus status;
    status.name = name;
    status.lane = kind.about.lane;
    status.description = kind.about.description;
    status.runtime_version = kind.about.available ? kind.about.runtime_version : "";
    status.size = kind.about.size + kind.extra;
    status.ready = count_unclaimed(name, true);
    status.hits = kind.hits;
    status.misses = kind.misses;
    status.available = kind.about.available;
    status.message = kind.about.available ? kind.note : kind.about.message;
    for (const auto& [id, slot] : slots_)
      status.claimed += slot.claimed() && slot.sandbox.template_name == name ? 1 : 0;
    result.push_back(std::move(status));
  }
  return result;
}

const Template* Ledger::find_template(const std::string& name) const {
  auto at = kinds_.find(name);
  return at == kinds_.end() ? nullptr : &at->second.about;
}

void Ledger::set_bootable(const std::string& template_name, bool bootable, const std::string& why) {
  auto at = kinds_.find(template_name);
  if (at == kinds_.end()) return;
  at->second.bootable = bootable;
  at->second.note = why;
}

bool Ledger::bootable(const std::string& template_name) const {
  auto at = kinds_.find(template_name);
  return at != kinds_.end() && at->second.bootable;
}

}  // namespace vibed::sandbox
