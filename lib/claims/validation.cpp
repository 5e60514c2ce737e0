#include "claims/validation.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "kube/object.hpp"

namespace vibed::claims {
namespace {

using kube::Json;

constexpr int kContract = 2;  // newer ones include it
constexpr std::chrono::seconds kFirstPause{2};
constexpr std::chrono::seconds kLongestPause{60};

// What images of vibed's own templates say they are for. Others may say what they like.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kLanguages = {
    {{"static-nginx", "static"},
     {"node-24", "node"},
     {"python-313", "python"},
     {"go-123", "go"},
     {"base-al2023", "base"}}};

int number_in(const std::string& text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

std::string first_line(const std::string& text) {
  return text.substr(0, std::min<std::size_t>(text.find('\n'), 200));
}

}  // namespace

Result<AgentInfo> read_agent_info(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{Errc::invalid_argument, "its /info is not a JSON object"};
  AgentInfo info;
  info.contract = kube::text_at(json, {"agentContract"});
  info.language = kube::text_at(json, {"language"});
  info.probe = kube::text_at(json, {"runtimeProbe"});
  const Json& fine = kube::find(json, {"runtimeProbeOK"});
  info.probe_ok = fine.is_boolean() && fine.get<bool>();
  info.probe_output = kube::text_at(json, {"runtimeProbeOutput"});
  return info;
}

std::string fault_of(const std::string& template_name, const AgentInfo& info) {
  if (number_in(info.contract) < kContract)
    return "its agent speaks contract " + (info.contract.empty() ? "none" : info.contract) +
           ", vibed needs " + std::to_string(kContract);
  for (const auto& [name, language] : kLanguages)
    if (name == template_name && info.language != language)
      return "its image is for " + (info.language.empty() ? "nothing" : info.language) + ", not " +
             std::string(language);
  if (info.probe.empty())
    return "its image does not say how to see its runtime (VIBED_RUNTIME_PROBE)";
  if (!info.probe_ok)
    return "its runtime does not run: " + info.probe + ": " + first_line(info.probe_output);
  return "";
}

void Validation::note_good(const std::string& template_name, const std::string& runtime_version) {
  states_[template_name] = {.why = "", .version = first_line(runtime_version)};
}

void Validation::note_bad(const std::string& template_name, const std::string& why, Time now) {
  State& state = states_[template_name];
  state.why = why;
  state.version.clear();
  const auto pause = kFirstPause * (1 << std::min(state.failures, 10));
  state.again = now + std::min<std::chrono::seconds>(pause, kLongestPause);
  ++state.failures;
}

std::string Validation::why_closed(const std::string& template_name) const {
  const auto at = states_.find(template_name);
  return at == states_.end() ? "" : at->second.why;
}

std::string Validation::runtime_version(const std::string& template_name) const {
  const auto at = states_.find(template_name);
  return at == states_.end() ? "" : at->second.version;
}

Time Validation::ask_again_at(const std::string& template_name) const {
  const auto at = states_.find(template_name);
  return at == states_.end() ? Time{} : at->second.again;
}

}  // namespace vibed::claims
