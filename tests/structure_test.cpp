// The order of the folders, one room per dependency, clean public headers: see
// docs/architecture.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Faults = std::vector<std::string>;

// A folder of lib/ includes only itself and folders before it.
const std::vector<std::string> kOrder = {
    "base",    "archive",   "process", "http",    "plan",       "agent",   "config",
    "program", "observe",   "fetch",   "sql",     "classifier", "kube",    "control",
    "aws",     "source",    "app",     "client",  "template",   "sandbox", "claims",
    "route",   "lifecycle", "auth",    "service", "api",        "engine"};

// A public header belongs to the folder of its name, except these.
const std::map<std::string, std::string> kHome = {
    {"result", "base"},       {"export", "base"},          {"version", "base"},
    {"stream", "base"},       {"source_store", "source"},  {"app_store", "app"},
    {"agent", "plan"},        {"sandbox_pool", "sandbox"}, {"route_table", "route"},
    {"doctor", "engine"},     {"cluster", "program"},      {"cluster_options", "program"},
    {"controller", "engine"}, {"server", "engine"},        {"router", "engine"}};

// A third-party header appears in one folder of lib/ only.
const std::vector<std::pair<std::string, std::string>> kRooms = {
    {"openssl/", "base"},       {"spdlog/", "base"},      {"archive", "archive"},
    {"zlib.h", "archive"},      {"seccomp.h", "process"}, {"boost/", "http"},
    {"yaml-cpp/", "config"},    {"pugixml.hpp", "aws"},   {"CLI/", "program"},
    {"prometheus/", "observe"}, {"curl/", "fetch"},       {"sqlite3", "sql"}};

// What any folder may use: vocabulary, and the system's own headers.
const std::vector<std::string> kAnywhere = {"fmt/",     "nlohmann/", "sys/", "linux/",
                                            "netinet/", "arpa/",     "net/"};
const std::vector<std::string> kSystem = {
    "cxxabi.h",  "dirent.h", "dlfcn.h",   "elf.h",    "errno.h",  "fcntl.h",  "fnmatch.h",
    "glob.h",    "grp.h",    "ifaddrs.h", "limits.h", "link.h",   "locale.h", "malloc.h",
    "netdb.h",   "poll.h",   "pthread.h", "pty.h",    "pwd.h",    "sched.h",  "signal.h",
    "spawn.h",   "stddef.h", "stdint.h",  "stdio.h",  "stdlib.h", "string.h", "syslog.h",
    "termios.h", "time.h",   "unistd.h",  "utime.h"};

bool begins_with_any(const std::string& name, const std::vector<std::string>& starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [&](const std::string& start) { return name.starts_with(start); });
}

// <vector>, <cstdint>
bool is_standard(const std::string& name) { return name.find_first_of("./") == std::string::npos; }

std::ptrdiff_t rank(const std::string& folder) {
  return std::find(kOrder.begin(), kOrder.end(), folder) - kOrder.begin();
}

// The folder of "http/server.hpp" or "vibed/archive.hpp".
std::string folder_of(const std::string& include) {
  fs::path path(include);
  if (*path.begin() != "vibed") return path.begin()->string();
  auto home = kHome.find(path.stem().string());
  return home != kHome.end() ? home->second : path.stem().string();
}

struct Include {
  bool angled;
  std::string name;
};

std::vector<Include> includes_of(const std::string& text) {
  static const std::regex line(R"((^|\n)[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"])");
  std::vector<Include> includes;
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) {
    includes.push_back({(*at)[2] == "<", (*at)[3]});
  }
  return includes;
}

// Everything that is wrong with the file `path`, relative to lib/.
Faults faults_in_lib(const fs::path& path, const std::string& text) {
  Faults faults;
  std::string home = path.begin()->string();
  auto fault = [&](const std::string& what) { faults.push_back(path.string() + ": " + what); };
  if (rank(home) == std::ssize(kOrder)) fault("the folder has no place in the order");
  for (const auto& [angled, name] : includes_of(text)) {
    if (!angled) {
      std::string folder = folder_of(name);
      if (rank(folder) == std::ssize(kOrder)) fault("\"" + name + "\" belongs to no folder");
      if (rank(folder) > rank(home)) fault("\"" + name + "\" points up");
      continue;
    }
    if (is_standard(name) || begins_with_any(name, kAnywhere) ||
        std::find(kSystem.begin(), kSystem.end(), name) != kSystem.end()) {
      continue;
    }
    auto room = std::find_if(kRooms.begin(), kRooms.end(),
                             [&](const auto& entry) { return name.starts_with(entry.first); });
    if (room == kRooms.end()) fault("<" + name + "> has no room");
    if (room != kRooms.end() && room->second != home) fault("<" + name + "> is in the wrong room");
  }
  // g++ 12 miscompiles coroutines; the rules that make them safe are kept in one folder.
  static const std::regex coroutine(R"(\bco_(await|return|yield)\b)");
  if (home != "http" && std::regex_search(text, coroutine)) fault("a coroutine outside of http");
  return faults;
}

Faults faults_in_public_header(const fs::path& path, const std::string& text) {
  Faults faults;
  for (const auto& [angled, name] : includes_of(text)) {
    if (angled ? !is_standard(name) : !name.starts_with("vibed/")) {
      faults.push_back(path.string() + ": " + name + " in a public header");
    }
  }
  if (rank(folder_of("vibed/" + path.filename().string())) == std::ssize(kOrder)) {
    faults.push_back(path.string() + ": the header belongs to no folder");
  }
  return faults;
}

using Check = Faults (*)(const fs::path& path, const std::string& text);

// The faults of all sources below `root`, a folder of the repository; `found` counts the files.
Faults faults_below(const fs::path& root, Check check, int& found) {
  Faults faults;
  if (!fs::exists(root)) return faults;
  for (const auto& file : fs::recursive_directory_iterator(root)) {
    std::string extension = file.path().extension();
    fs::path relative = fs::relative(file.path(), root);
    bool is_source = extension == ".hpp" || extension == ".cpp" || extension == ".h";
    if (!is_source || *relative.begin() == "cmake") continue;
    std::stringstream text;
    text << std::ifstream(file.path()).rdbuf();
    for (std::string& fault : check(relative, text.str())) faults.push_back(std::move(fault));
    ++found;
  }
  return faults;
}

TEST(Structure, EveryIncludeOfLibPointsDownAndEveryDependencyHasOneRoom) {
  int found = 0;
  EXPECT_EQ(faults_below(fs::path(VIBED_SOURCE_DIR) / "lib", faults_in_lib, found), Faults{});
  EXPECT_GT(found, 10);
}

TEST(Structure, PublicHeadersIncludeOnlyTheStandardLibraryAndVibed) {
  int found = 0;
  EXPECT_EQ(faults_below(fs::path(VIBED_SOURCE_DIR) / "include" / "vibed", faults_in_public_header,
                         found),
            Faults{});
  EXPECT_GT(found, 10);
}

TEST(StructureCheck, SeesAnIncludeThatPointsUp) {
  EXPECT_EQ(faults_in_lib("source/x.cpp", "\n#include \"api/server.hpp\"\n"),
            Faults{"source/x.cpp: \"api/server.hpp\" points up"});
  EXPECT_EQ(faults_in_lib("base/x.cpp", "#include \"vibed/config.hpp\""),
            Faults{"base/x.cpp: \"vibed/config.hpp\" points up"});
  EXPECT_EQ(faults_in_lib("api/x.cpp", "#include \"source/server.hpp\"\n#include <vector>"),
            Faults{});
}

TEST(StructureCheck, SeesADependencyInAnotherRoom) {
  EXPECT_EQ(faults_in_lib("source/x.cpp", "#include <boost/asio.hpp>"),
            Faults{"source/x.cpp: <boost/asio.hpp> is in the wrong room"});
  EXPECT_EQ(faults_in_lib("source/x.cpp", "#include <lua.h>"),
            Faults{"source/x.cpp: <lua.h> has no room"});
  EXPECT_EQ(faults_in_lib("http/x.cpp", "#include <boost/asio.hpp>\n  co_await x;"), Faults{});
}

TEST(StructureCheck, SeesAFolderWithoutAPlace) {
  EXPECT_EQ(faults_in_lib("attic/x.cpp", ""),
            Faults{"attic/x.cpp: the folder has no place in the order"});
}

TEST(StructureCheck, SeesACoroutineOutsideOfHttp) {
  EXPECT_EQ(faults_in_lib("api/x.cpp", "  co_return 1;").size(), 1U);
}

TEST(StructureCheck, SeesAPrivateHeaderInAPublicOne) {
  EXPECT_EQ(
      faults_in_public_header("app.hpp", "#include <string>\n#include \"vibed/result.hpp\"\n"),
      Faults{});
  EXPECT_EQ(faults_in_public_header("app.hpp", "#include <nlohmann/json.hpp>").size(), 1U);
  EXPECT_EQ(faults_in_public_header("app.hpp", "#include \"base/fd.hpp\"").size(), 1U);
}

}  // namespace
