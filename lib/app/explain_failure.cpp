#include "app/explain_failure.hpp"

#include <array>
#include <string_view>

namespace vibed {
namespace {

constexpr std::string_view kNode =
    "vendor node_modules into the source, or bundle the app: vibed installs no dependencies yet";
constexpr std::string_view kPython =
    "vendor its packages into the source: vibed installs no dependencies yet";
constexpr std::string_view kGo =
    "run \"go mod vendor\" and deploy the vendor folder too: vibed downloads no modules yet";
constexpr std::string_view kTool = "the template has no such program";

// A complaint about something missing: the text between `before` and `after` names it.
struct Complaint {
  std::string_view before;
  std::string_view after;  // empty: up to the end of the line
  std::string_view what;   // "the Node module"
  std::string_view advice;
};

// The more telling before the more general.
constexpr std::array kComplaints = {
    Complaint{"Cannot find module '", "'", "the Node module", kNode},
    Complaint{"Cannot find package '", "'", "the Node package", kNode},
    Complaint{"ModuleNotFoundError: No module named '", "'", "the Python module", kPython},
    Complaint{"ImportError: No module named ", "", "the Python module", kPython},
    Complaint{"No module named ", "", "the Python module", kPython},  // python -m uvicorn
    Complaint{"no required module provides package ", ";", "the Go package", kGo},
    Complaint{"no required module provides package ", "", "the Go package", kGo},
    Complaint{"cannot find module providing package ", ":", "the Go package", kGo},
    Complaint{"cannot find module providing package ", "", "the Go package", kGo},
    Complaint{"missing go.sum entry for module providing package ", ";", "the Go package", kGo},
    Complaint{"missing go.sum entry for module providing package ", "", "the Go package", kGo},
    Complaint{"exec: \"", "\": executable file not found", "the program", kTool},
};

constexpr std::size_t kMaxShown = 200;

// The name a line complains about, if it does so in this way.
std::string_view named(const Complaint& complaint, std::string_view line) {
  std::size_t at = line.find(complaint.before);
  if (at == std::string_view::npos) return {};
  std::string_view rest = line.substr(at + complaint.before.size());
  if (complaint.after.empty()) {
    while (!rest.empty() && (rest.back() == '\r' || rest.back() == ' ')) rest.remove_suffix(1);
    return rest.find(' ') == std::string_view::npos ? rest : rest.substr(0, rest.find(' '));
  }
  std::size_t end = rest.find(complaint.after);
  return end == std::string_view::npos ? std::string_view{} : rest.substr(0, end);
}

// Names without quotes and bytes that a one-line message must not have.
std::string clean(std::string_view name) {
  std::string text;
  for (char c : name.substr(0, kMaxShown)) {
    if (c != '\'' && c != '"' && static_cast<unsigned char>(c) >= 0x20) text += c;
  }
  return text;
}

// "require" of a path means a file of the app's own, which no installation would bring.
bool is_path(std::string_view name) {
  return name.starts_with("/") || name.starts_with("./") || name.starts_with("../");
}

std::string sentence(const Complaint& complaint, std::string_view name) {
  std::string text = clean(name);
  if (is_path(text)) return "the file \"" + text + "\" that the app loads is not in the source";
  return "a dependency is missing: " + std::string(complaint.what) + " \"" + text +
         "\" is not in the source (" + std::string(complaint.advice) + ")";
}

}  // namespace

std::optional<std::string> explain_failure(std::span<const std::string> log) {
  // The last complaint is the one that ended the app: earlier ones may have been caught.
  for (std::size_t i = log.size(); i-- > 0;) {
    for (const Complaint& complaint : kComplaints) {
      std::string_view name = named(complaint, log[i]);
      if (!clean(name).empty()) return sentence(complaint, name);
    }
  }
  return std::nullopt;
}

}  // namespace vibed
