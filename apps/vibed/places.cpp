#include "places.hpp"

#include <unistd.h>

#include <cctype>
#include <filesystem>

namespace vibed::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLongestName = 63;

std::string home(const Invocation& invocation) {
  const std::string given = invocation.variable("HOME");
  return given.empty() ? "/tmp" : given;
}

std::string usual_folder(const Invocation& invocation) {
  if (::geteuid() == 0) return "/var/lib/vibed";
  const std::string data = invocation.variable("XDG_DATA_HOME");
  return (data.empty() ? home(invocation) + "/.local/share" : data) + "/vibed";
}

}  // namespace

std::string data_folder(const Invocation& invocation) {
  std::string folder = invocation.text("data", invocation.variable("VIBED_DATA"));
  if (folder.empty()) folder = usual_folder(invocation);
  std::error_code ignored;
  std::string absolute = fs::absolute(folder, ignored).lexically_normal().string();
  while (absolute.size() > 1 && absolute.ends_with('/')) absolute.pop_back();
  return absolute;
}

std::string name_from_path(const std::string& path) {
  std::error_code failed;
  fs::path whole = fs::canonical(path, failed);
  if (failed) whole = path;
  std::string text = whole.filename().string();
  for (const char* ending : {".tar.gz", ".tgz", ".gz"}) {
    if (!fs::is_directory(whole, failed) && text.ends_with(ending)) {
      text.resize(text.size() - std::string_view(ending).size());
      break;
    }
  }
  std::string name;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 128 && std::isalnum(byte) != 0;
    if (plain) name += static_cast<char>(std::tolower(byte));
    if (!plain && !name.empty() && name.back() != '-') name += '-';
  }
  name.resize(std::min(name.size(), kLongestName));
  while (name.ends_with('-')) name.pop_back();
  return name.empty() ? "app" : name;
}

}  // namespace vibed::cli
