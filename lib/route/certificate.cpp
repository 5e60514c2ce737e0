#include "route/certificate.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "route/listen_address.hpp"

namespace vibed::route {
namespace {

using nlohmann::json;

constexpr std::size_t kLongest = 600;  // of a reason; the log itself has all of it

// What a line says: "could not get certificate from issuer: …"; "" for one without an error.
std::string reason_of(std::string_view line) {
  const json entry = json::parse(line, nullptr, false);
  if (!entry.is_object()) return "";
  const auto text = [&entry](const char* key) {
    const auto at = entry.find(key);
    return at != entry.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  const std::string error = text("error");
  if (error.empty()) return "";
  std::string reason = text("msg") + ": " + error;
  // An authority may answer with several lines; a reason is one.
  std::replace_if(
      reason.begin(), reason.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  if (reason.size() <= kLongest) return reason;
  return std::string(cut(reason, kLongest)) + "...";
}

}  // namespace

std::string certificate_log(const std::string& run) { return run + "/caddy-tls.log"; }

std::string certificate_trouble(std::string_view text) {
  while (!text.empty()) {
    const std::size_t newline = text.rfind('\n');
    const std::string_view line = newline == text.npos ? text : text.substr(newline + 1);
    if (std::string reason = reason_of(line); !reason.empty()) return reason;
    text = newline == text.npos ? std::string_view() : text.substr(0, newline);
  }
  return "";
}

CertificateQuestion certificate_question(const FrontDoorPlan& plan) {
  CertificateQuestion question = {"https://" + plan.listen + "/", "vibed-asks." + plan.domain};
  auto address = parse_listen(plan.listen);
  if (!address) return question;
  if (address->host == "0.0.0.0") address->host = "127.0.0.1";
  if (address->host == "::") address->host = "::1";
  question.url = "https://" + to_string(*address) + "/";
  return question;
}

}  // namespace vibed::route
