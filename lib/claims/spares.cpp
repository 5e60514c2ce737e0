#include "claims/spares.hpp"

#include <algorithm>
#include <tuple>

namespace vibed::claims {
namespace {

void sooner(std::optional<Time>& next, Time candidate) {
  if (!next || candidate < *next) next = candidate;
}

}  // namespace

SpareRules with_lifetime(SpareRules rules, std::chrono::seconds lifetime) {
  rules.lifetime = lifetime;
  rules.renew_before = lifetime / 2;
  rules.take_margin = std::max(lifetime / 20, std::chrono::seconds(1));
  return rules;
}

int Demand::wanted(const SpareRules& rules, Time now) {
  while (!times_.empty() && times_.front() <= now - rules.window) times_.pop_front();
  return std::clamp(static_cast<int>(times_.size()), rules.least,
                    std::max(rules.least, rules.most));
}

SparePlan plan_spares(const std::vector<Claim>& claims, const std::map<std::string, int>& wanted,
                      Time now, const SpareRules& rules) {
  SparePlan plan;
  std::map<std::string, std::vector<const Claim*>> spares;
  for (const auto& [name, count] : wanted) spares[name];
  for (const Claim& claim : claims) {
    if (!claim.spare || claim.stage == Stage::over) continue;
    bool hopeless = claim.stage == Stage::refused ||
                    (claim.stage == Stage::pending && now - claim.created >= rules.give_up);
    if (hopeless || !wanted.contains(claim.template_name)) {
      plan.remove.push_back(claim.name);
      continue;
    }
    if (claim.stage == Stage::pending) sooner(plan.next, claim.created + rules.give_up);
    spares[claim.template_name].push_back(&claim);
  }
  for (auto& [name, list] : spares) {
    std::sort(list.begin(), list.end(), [](const Claim* a, const Claim* b) {
      return std::tuple(a->stage != Stage::ready, b->created, b->uid) <
             std::tuple(b->stage != Stage::ready, a->created, a->uid);
    });
    auto count = static_cast<std::size_t>(std::max(0, wanted.at(name)));
    if (list.size() < count) plan.create[name] = static_cast<int>(count - list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (i >= count) {
        plan.remove.push_back(list[i]->name);
      } else if (list[i]->shutdown <= now + rules.renew_before) {
        plan.renew.push_back(list[i]->name);
      } else {
        sooner(plan.next, list[i]->shutdown - rules.renew_before);
      }
    }
  }
  return plan;
}

}  // namespace vibed::claims
