#include "aws/ini.hpp"

#include <algorithm>
#include <optional>

namespace vibed::aws {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Up to a '#' or ';' that a blank stands before.
std::string_view without_comment(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if ((text[i] == '#' || text[i] == ';') && is_blank(text[i - 1])) return text.substr(0, i);
  }
  return text;
}

std::string_view unquoted(std::string_view text) {
  const bool quoted = text.size() > 1 && text.front() == text.back() &&
                      (text.front() == '"' || text.front() == '\'');
  return quoted ? text.substr(1, text.size() - 2) : text;
}

enum class File { config, credentials };

// The profile that a section's heading begins; nothing: one of another kind.
std::optional<std::string> profile_of(std::string_view heading, File file) {
  constexpr std::string_view kProfile = "profile";
  heading = trimmed(heading);
  if (file == File::credentials || heading == "default") return std::string(unquoted(heading));
  if (!heading.starts_with(kProfile)) return std::nullopt;
  heading.remove_prefix(kProfile.size());
  if (heading.empty() || !is_blank(heading.front())) return std::nullopt;
  return std::string(unquoted(trimmed(heading)));
}

Profiles parse(std::string_view text, File file) {
  Profiles profiles;
  Section* section = nullptr;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool indented = !line.empty() && is_blank(line.front());
    const std::string_view body = trimmed(line);
    if (body.empty() || body.front() == '#' || body.front() == ';' || indented) continue;
    if (body.front() == '[') {
      const std::size_t close = body.find(']');
      auto name = close == std::string_view::npos ? std::nullopt
                                                  : profile_of(body.substr(1, close - 1), file);
      section = name ? &profiles[*name] : nullptr;
      continue;
    }
    const std::size_t equals = body.find('=');
    if (section == nullptr || equals == std::string_view::npos) continue;
    std::string key(trimmed(body.substr(0, equals)));
    for (char& c : key) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    (*section)[key] = std::string(trimmed(without_comment(body.substr(equals + 1))));
  }
  return profiles;
}

}  // namespace

Profiles parse_config_file(std::string_view text) { return parse(text, File::config); }

Profiles parse_credentials_file(std::string_view text) { return parse(text, File::credentials); }

}  // namespace vibed::aws
