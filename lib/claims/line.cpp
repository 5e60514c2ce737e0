#include "claims/line.hpp"

#include <algorithm>
#include <tuple>

namespace vibed::claims {
namespace {

int booting_of(const Booting& booting, const std::string& owner) {
  auto at = booting.find(owner);
  return at == booting.end() ? 0 : at->second;
}

// No claim has such a name: it is not a DNS label.
std::string id_of(const SandboxRequest& request) {
  return "waiting:" + request.app_uid + ":" + std::to_string(request.generation);
}

// Without a number of those who wait: every change of it would be a change of every app's record.
Sandbox sandbox_of(const SandboxRequest& request) {
  Sandbox sandbox;
  sandbox.id = id_of(request);
  sandbox.app = request.app;
  sandbox.app_uid = request.app_uid;
  sandbox.generation = request.generation;
  sandbox.template_name = request.template_name;
  sandbox.reason = "InLine";
  sandbox.message = "in line, because as many sandboxes of template " + request.template_name +
                    " boot as may at once; owners take turns";
  return sandbox;
}

}  // namespace

Sandbox Line::add(const SandboxRequest& request) {
  if (!contains(request.app_uid, request.generation))
    waiting_[request.template_name][request.owner].push_back({++last_number_, request});
  return sandbox_of(request);
}

bool Line::contains(const std::string& app_uid, std::int64_t generation) const {
  for (const auto& [name, owners] : waiting_)
    for (const auto& [owner, places] : owners)
      for (const Place& place : places)
        if (place.request.app_uid == app_uid && place.request.generation == generation) return true;
  return false;
}

bool Line::remove(std::string_view id) {
  for (auto& [name, owners] : waiting_) {
    for (auto owner = owners.begin(); owner != owners.end(); ++owner) {
      const auto& places = owner->second;
      auto at = std::find_if(places.begin(), places.end(),
                             [&](const Place& place) { return id_of(place.request) == id; });
      if (at == places.end()) continue;
      remove_at(owners, owner, static_cast<std::size_t>(at - places.begin()));
      if (owners.empty()) waiting_.erase(waiting_.find(name));
      if (waiting_.empty()) turns_.clear();
      return true;
    }
  }
  return false;
}

void Line::remove_at(Owners& owners, Owners::iterator owner, std::size_t place) {
  owner->second.erase(owner->second.begin() + static_cast<std::ptrdiff_t>(place));
  if (owner->second.empty()) owners.erase(owner);
}

int Line::count(const std::string& template_name) const {
  std::size_t sum = 0;
  if (auto line = waiting_.find(template_name); line != waiting_.end())
    for (const auto& [owner, places] : line->second) sum += places.size();
  return static_cast<int>(sum);
}

std::vector<std::string> Line::templates() const {
  std::vector<std::string> names;
  for (const auto& [name, owners] : waiting_) names.push_back(name);
  return names;
}

std::optional<SandboxRequest> Line::next(const std::string& template_name, const Booting& booting) {
  auto line = waiting_.find(template_name);
  if (line == waiting_.end()) return std::nullopt;
  auto rank = [&](const Owners::value_type& owner) {
    auto turn = turns_.find(owner.first);
    return std::tuple(booting_of(booting, owner.first), turn == turns_.end() ? 0 : turn->second,
                      owner.second.front().number);
  };
  Owners& owners = line->second;
  auto first = std::min_element(owners.begin(), owners.end(),
                                [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  SandboxRequest request = first->second.front().request;
  turns_[first->first] = ++last_turn_;
  remove_at(owners, first, 0);
  if (owners.empty()) waiting_.erase(line);
  if (waiting_.empty()) turns_.clear();
  return request;
}

std::vector<Sandbox> Line::view(std::string_view app_uid) const {
  std::vector<Sandbox> sandboxes;
  for (const auto& [name, owners] : waiting_) {
    for (const auto& [owner, places] : owners)
      for (const Place& place : places)
        if (app_uid.empty() || place.request.app_uid == app_uid)
          sandboxes.push_back(sandbox_of(place.request));
  }
  return sandboxes;
}

}  // namespace vibed::claims
