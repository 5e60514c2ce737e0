#include "route/caddy_version.hpp"

#include <unistd.h>

#include <cctype>
#include <charconv>

#include "process/run.hpp"

namespace vibed::route {
namespace {

constexpr std::string_view kUsualFolders = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin";
constexpr std::chrono::seconds kVersionTimeout{10};

// Reads a number at the front of `text` and takes it off, with one dot after it.
int take_number(std::string_view& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with('.')) text.remove_prefix(1);
  return number;
}

std::string find_in(std::string_view folders) {
  while (!folders.empty()) {
    const std::size_t colon = folders.find(':');
    std::string program = std::string(folders.substr(0, colon)) + "/caddy";
    if (program.starts_with('/') && ::access(program.c_str(), X_OK) == 0) return program;
    if (colon == std::string_view::npos) break;
    folders.remove_prefix(colon + 1);
  }
  return {};
}

}  // namespace

CaddyVersion parse_caddy_version(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text.front())) == 0) return {};
  const int major = take_number(text);
  const int minor = take_number(text);
  const int patch = take_number(text);
  if (major < 1 || minor < 0) return {};
  return {major, minor, patch < 0 ? 0 : patch};
}

std::string to_string(const CaddyVersion& version) {
  if (!version.known()) return "unknown";
  return std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
         std::to_string(version.patch);
}

Result<CaddyProgram> find_caddy(const std::string& given, const std::string& search_path) {
  std::string path = given;
  if (path.empty()) path = find_in(search_path);
  if (path.empty()) path = find_in(kUsualFolders);
  if (path.empty()) {
    return Error{Errc::not_found, "caddy is not installed (on Debian: apt-get install caddy)"};
  }
  RunOptions options{.timeout = kVersionTimeout};
  options.env = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent"};
  auto printed = run({path, "version"}, options);
  if (!printed) return std::move(printed).error().during("run " + path + " version");
  if (!printed->status.ok()) return Error{Errc::unavailable, path + " version failed"};
  return CaddyProgram{path, parse_caddy_version(printed->out)};
}

}  // namespace vibed::route
