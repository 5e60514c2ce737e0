#include "template/lookup.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>

#include "process/run.hpp"

namespace vibed::templates {
namespace fs = std::filesystem;
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    auto end = text.find('\n');
    std::string line(text.substr(0, end));
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(std::move(line));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

// "${GOROOT}/bin/go" with what the program has answered.
std::string expand(std::string text, const std::map<std::string, std::string>& env) {
  for (const auto& [name, value] : env) {
    std::string pattern = "${" + name + "}";
    auto at = text.find(pattern);
    if (at != std::string::npos) text.replace(at, pattern.size(), value);
  }
  return text;
}

std::string real_path(const std::string& path) {
  std::error_code error;
  fs::path real = fs::canonical(path, error);
  return error ? std::string() : real.string();
}

Error unusable(const std::string& candidate, const std::string& why) {
  return {Errc::not_found, candidate + " " + why};
}

// Runs the candidate and takes its word for what it is.
Result<Runtime> interview(const RuntimeSpec& spec, const std::string& candidate) {
  std::vector<std::string> argv = {candidate};
  argv.insert(argv.end(), spec.ask.begin(), spec.ask.end());
  // From "/", where no file of the working directory changes the answer.
  auto output = run(argv, {.timeout = std::chrono::seconds(20), .cwd = "/"});
  if (!output && output.error().code == Errc::not_found) return unusable(candidate, "is not there");
  if (!output) return unusable(candidate, "cannot be run: " + output.error().message);
  if (!output->status.ok()) return unusable(candidate, "does not run");
  auto lines = lines_of(output->out.empty() ? output->err : output->out);
  if (lines.size() < spec.answers.size()) return unusable(candidate, "gave no answer");

  Runtime runtime{.name = spec.name, .program = {}, .version = {}, .folders = {}, .env = {}};
  for (std::size_t i = 0; i < spec.answers.size(); ++i) {
    const std::string& answer = spec.answers[i];
    if (answer == "program") runtime.program = lines[i];
    if (answer == "version") runtime.version = version_in(lines[i]);
    if (answer == "folder") runtime.folders.push_back(lines[i]);
    if (answer.starts_with("env.")) runtime.env[answer.substr(4)] = lines[i];
  }
  if (runtime.program.empty()) {
    runtime.program = spec.program.empty() ? candidate : expand(spec.program, runtime.env);
  }
  return runtime;
}

Result<Runtime> try_candidate(const RuntimeSpec& spec, const std::string& candidate,
                              const LookupOptions& options) {
  auto runtime = interview(spec, candidate);
  if (!runtime) return runtime;
  if (!is_at_least(runtime->version, spec.minimum)) {
    return unusable(candidate,
                    "is " + (runtime->version.empty() ? "of no known version" : runtime->version));
  }
  std::string program = real_path(runtime->program);
  if (program.empty()) return unusable(candidate, "is not where it says: " + runtime->program);
  runtime->program = program;
  for (auto& folder : runtime->folders) folder = real_path(folder);
  for (const auto& [name, value] : runtime->env) {
    if (value.starts_with('/')) runtime->folders.push_back(real_path(value));
  }
  std::erase(runtime->folders, "");
  std::vector<std::string> needed = runtime->folders;
  needed.push_back(program);
  for (const auto& path : needed) {
    if (options.for_others && !others_can_use(path)) {
      return unusable(candidate, "lies in " + path + ", where other users cannot go");
    }
  }
  runtime->folders = folders_to_mount(program, runtime->folders);
  return runtime;
}

}  // namespace

Result<Runtime> look_up(const RuntimeSpec& spec, const LookupOptions& options) {
  std::string tried;
  for (const auto& candidate : spec.candidates) {
    auto runtime = try_candidate(spec, candidate, options);
    if (runtime) return runtime;
    // That names are absent is the usual case and says nothing.
    bool absent = runtime.error().message == candidate + " is not there";
    if (!absent) tried += (tried.empty() ? "" : "; ") + runtime.error().message;
  }
  std::string message = "no " + spec.name + " " + spec.minimum + " or newer on this machine";
  if (!tried.empty()) message += " (" + tried + ")";
  if (!spec.install.empty()) message += ": " + spec.install;
  return Error{Errc::not_found, std::move(message)};
}

bool others_can_use(const std::string& path) {
  fs::path partial;
  for (const auto& part : fs::path(path)) {
    partial /= part;
    struct stat info {};
    if (::stat(partial.c_str(), &info) != 0) return false;
    if ((info.st_mode & S_IXOTH) == 0) return false;
  }
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

std::string version_in(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_digit(text[i])) continue;
    std::size_t end = i;
    while (end < text.size() && (is_digit(text[end]) || text[end] == '.')) ++end;
    while (text[end - 1] == '.') --end;
    bool named = i > 0 && text[i - 1] == 'v' && (i == 1 || text[i - 2] == ' ');
    return std::string(text.substr(named ? i - 1 : i, end - (named ? i - 1 : i)));
  }
  return "";
}

bool is_at_least(std::string_view version, std::string_view minimum) {
  auto next = [](std::string_view& text) {
    while (!text.empty() && !is_digit(text.front())) text.remove_prefix(1);
    int number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return 0;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
  };
  if (version.empty()) return false;
  while (!minimum.empty()) {
    int have = next(version);
    int want = next(minimum);
    if (have != want) return have > want;
  }
  return true;
}

std::vector<std::string> folders_to_mount(const std::string& program,
                                          const std::vector<std::string>& folders) {
  std::vector<std::string> wanted = folders;
  auto below = [](const std::string& path, const std::string& folder) {
    return path == folder || path.starts_with(folder + "/");
  };
  // Not what is around the program: that may be somebody's home.
  bool covered = std::any_of(folders.begin(), folders.end(),
                             [&](const std::string& folder) { return below(program, folder); });
  if (!covered) wanted.push_back(fs::path(program).parent_path().string());
  std::vector<std::string> mounts;
  for (const auto& folder : wanted) {
    bool known = below(folder, "/usr") || below(folder, "/etc") || folder == "/" ||
                 std::find(mounts.begin(), mounts.end(), folder) != mounts.end();
    if (!known) mounts.push_back(folder);
  }
  return mounts;
}

}  // namespace vibed::templates
