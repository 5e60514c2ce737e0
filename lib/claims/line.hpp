// Line: who waits for a sandbox when more are wanted than the cluster may boot at once, and whose
// turn it is. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/sandbox_pool.hpp"

namespace vibed::claims {

// By owner, how many claims are booting.
using Booting = std::map<std::string, int>;

class Line {
 public:
  // At the end of its owner's requests for that template, unless it stands there. Returns it as
  // view() does.
  Sandbox add(const SandboxRequest& request);
  bool contains(const std::string& app_uid, std::int64_t generation) const;
  // By the id that view() gave it. False: nobody has it.
  bool remove(std::string_view id);

  bool empty() const { return waiting_.empty(); }
  bool empty(const std::string& template_name) const { return !waiting_.contains(template_name); }
  int count(const std::string& template_name) const;
  std::vector<std::string> templates() const;  // that somebody waits for

  // Takes out whose turn it is: of the owner with the fewest `booting`, of several the one whose
  // last turn is the longest ago or never was, of these who came first; an owner's own requests in
  // the order they came. So an owner of many waits behind nobody longer than an owner of one.
  // O(owners waiting).
  std::optional<SandboxRequest> next(const std::string& template_name, const Booting& booting);

  // Those who wait, all or of one app, as sandboxes that are pending and say so.
  std::vector<Sandbox> view(std::string_view app_uid = {}) const;

 private:
  struct Place {
    std::uint64_t number = 0;  // in the order they came
    SandboxRequest request;
  };
  using Owners = std::map<std::string, std::deque<Place>>;  // none is empty

  void remove_at(Owners& owners, Owners::iterator owner, std::size_t place);

  std::map<std::string, Owners> waiting_;       // by template; none is empty
  std::map<std::string, std::uint64_t> turns_;  // by owner, the last one; while anybody waits
  std::uint64_t last_number_ = 0;
  std::uint64_t last_turn_ = 0;
};

}  // namespace vibed::claims
