// The spare buffer: how many claims are kept bound ahead of any app, and what brings them to that
// number. Pure.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "claims/claim.hpp"

namespace vibed::claims {

struct SpareRules {
  int least = 1;                           // of each template that has a pool
  int most = 10;                           // whatever the demand
  std::chrono::seconds window{30};         // claims this long ago count as demand
  std::chrono::seconds lifetime{600};      // a spare that nobody pushes forward ends then
  std::chrono::seconds renew_before{300};  // its end
  std::chrono::seconds take_margin{30};    // one that ends sooner is not given to an app
  std::chrono::seconds give_up{120};       // on a spare that is not ready by then
};

// `rules` for spares that live so long, at least some seconds: the times that are parts of it.
SpareRules with_lifetime(SpareRules rules, std::chrono::seconds lifetime);

// Claims of one template, as they were asked for.
class Demand {
 public:
  void note(Time now) { times_.push_back(now); }

  // How many spares to keep: as many as were claimed within the window, within the bounds.
  int wanted(const SpareRules& rules, Time now);

 private:
  std::deque<Time> times_;
};

struct SparePlan {
  std::map<std::string, int> create;  // by template
  std::vector<std::string> renew;     // claims whose end is to be pushed forward
  std::vector<std::string> remove;    // too many, or never ready
  // When to plan again if nothing changes.
  std::optional<Time> next;
};

// `wanted` has the templates that have a pool; spares of others are removed. What is ready is kept
// before what is not, and the younger before the older, whose end is nearer.
SparePlan plan_spares(const std::vector<Claim>& claims, const std::map<std::string, int>& wanted,
                      Time now, const SpareRules& rules);

}  // namespace vibed::claims
