#include "agent/injector.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include <nlohmann/json.hpp>

#include "agent/pull.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"
#include "vibed/agent.hpp"

namespace vibed::agent {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestText = 256 * 1024;  // of a file the start plan looks into
constexpr std::string_view kStagePrefix = ".vibed-stage-";

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Fd> open_directory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error("open " + path);
  return fd;
}

// Files of the tree that are links are not followed: the plan is computed by the agent, which can
// see more than the app.
std::string text_beneath(int folder, const std::string& path) {
  Fd fd(::openat(folder, path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  std::string text;
  char buffer[8192];
  while (fd && text.size() < kLongestText) {
    ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

Status write_inline(const std::string& folder, const std::map<std::string, std::string>& files) {
  for (const auto& [path, text] : files) {
    std::string target = folder + "/" + path;
    Status made = make_directories(fs::path(target).parent_path().string());
    if (!made) return made;
    Status written = write_file(target, text, Durability::unsynced);
    if (!written) return written;
  }
  return success();
}

// Empties the workdir but for stages, then moves what the stage holds into it.
Status replace_tree(const std::string& workdir, const std::string& stage) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(workdir, error)) {
    if (entry.path() != fs::path(stage)) fs::remove_all(entry.path(), error);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(stage, error)) {
    fs::rename(entry.path(), fs::path(workdir) / entry.path().filename(), error);
    if (error) return Error{Errc::internal, "move the source into place: " + error.message()};
  }
  fs::remove_all(stage, error);
  return success();
}

}  // namespace

Status Injector::claim() {
  std::lock_guard lock(mutex_);
  if (claimed_ || pulled_) return Error{Errc::conflict, "this sandbox has had its source"};
  claimed_ = true;
  return success();
}

Status Injector::inject(const InjectRequest& request, ByteSource& pushed, const Tell& tell) {
  Status extracted = extract(request, pushed, tell);
  if (!extracted) {
    runner_.fail(request.generation, "InjectFailed", extracted.error().message);
    return extracted;
  }
  auto plan = plan_of(request);
  if (!plan) {
    bool none = plan.error().reason == "no_start_command";
    runner_.fail(request.generation, none ? "NoStartCommand" : "InjectFailed",
                 plan.error().message);
    return std::move(plan).error();
  }
  tell(line_of({{"event", "plan"}, {"argv", plan->argv}, {"reason", plan->reason}}));
  runner_.start(*std::move(plan));
  return success();
}

Status Injector::extract(const InjectRequest& request, ByteSource& pushed, const Tell& tell) {
  auto folder = open_directory(config_.workdir);
  if (!folder) return std::move(folder).error();
  http::Downloaded pulled;
  std::unique_ptr<ByteSource> archive;
  if (!request.source_url.empty()) {
    auto fetched = fetch(request.source_url, {});
    if (!fetched) return std::move(fetched).error();
    pulled = *std::move(fetched);
    archive = make_file_range_source(pulled.file.get(), 0, pulled.size);
    tell(line_of({{"event", "pulled"}, {"bytes", pulled.size}}));
  }
  auto extraction = extract_archive(archive ? *archive : pushed, folder->get());
  if (!extraction) return std::move(extraction).error();
  tell(line_of(
      {{"event", "extracted"}, {"files", extraction->files}, {"bytes", extraction->bytes}}));
  return success();
}

Result<http::Downloaded> Injector::fetch(const std::string& url,
                                         const std::function<bool()>& stop) const {
  return pull_source(url, {.spool_directory = config_.spool_directory,
                           .authorities = config_.authorities,
                           .stop = stop});
}

Result<AppPlan> Injector::plan_of(const InjectRequest& request) {
  auto listing = list_directory(config_.workdir);
  if (!listing) return std::move(listing).error();
  auto folder = open_directory(config_.workdir);
  if (!folder) return std::move(folder).error();
  StartPlanInput input;
  for (const std::string& path : start_plan_texts(listing->entries))
    input.texts[path] = text_beneath(folder->get(), path);
  input.entries = std::move(listing->entries);
  input.template_name = config_.template_name;
  input.entrypoint = request.entrypoint;
  input.env = request.env;
  input.port = request.port != 0 ? request.port : config_.app_port;
  auto plan = start_plan(input);
  if (!plan) return std::move(plan).error();
  return AppPlan{.argv = std::move(plan->argv),
                 .env = app_environment(config_, plan->env, request.env, input.port),
                 .reason = std::move(plan->reason),
                 .generation = request.generation,
                 .port = input.port,
                 .restarts = true};
}

Status Injector::pull(const PullRequest& request, const std::function<bool()>& stop) {
  std::lock_guard one_at_a_time(pulling_);
  {
    std::lock_guard lock(mutex_);
    if (claimed_) return Error{Errc::conflict, "this sandbox has had its source"};
    pulled_ = true;
  }
  auto command = derived_command(request);
  if (!command) return std::move(command).error();
  std::string folder = config_.workdir + "/" + std::string(kStagePrefix) + random_hex(6);
  Status staged = stage(request, folder, stop);
  if (staged) {
    runner_.stop();
    staged = replace_tree(config_.workdir, folder);
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  if (!staged) return staged;
  ring_.clear();
  int port = request.port != 0 ? request.port : config_.app_port;
  std::uint64_t seen = board_.read().version;
  runner_.start({.argv = *std::move(command),
                 .env = app_environment(config_, {}, request.env, port),
                 .reason = "",
                 .generation = 0,
                 .port = port,
                 .restarts = false});
  (void)board_.wait(seen, std::chrono::seconds(30));
  AgentState now = board_.read().state;
  if (now.reason == "StartFailed") return Error{Errc::invalid_argument, now.message};
  return success();
}

Status Injector::stage(const PullRequest& request, const std::string& folder,
                       const std::function<bool()>& stop) {
  Status made = make_directories(folder);
  if (!made) return made;
  if (!request.files.empty()) return write_inline(folder, request.files);
  auto archive = fetch(request.source_url, stop);
  if (!archive) return std::move(archive).error();
  auto opened = open_directory(folder);
  if (!opened) return std::move(opened).error();
  auto source = make_file_range_source(archive->file.get(), 0, archive->size);
  auto extraction = extract_archive(*source, opened->get());
  if (!extraction) return std::move(extraction).error();
  return success();
}

}  // namespace vibed::agent
