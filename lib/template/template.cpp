#include "vibed/template.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "template/local_yaml.hpp"
#include "template/lookup.hpp"

namespace vibed {
namespace fs = std::filesystem;
namespace {

using templates::LocalYaml;
using templates::RuntimeSpec;

using Descriptions = std::map<std::string, LocalYaml>;  // by template name

Result<Descriptions> read_descriptions(const std::string& directory) {
  std::error_code error;
  Descriptions found;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    std::string path = at->path().string() + "/local.yaml";
    auto text = read_file(path, 256 * 1024);
    if (!text && text.error().code == Errc::not_found) continue;
    if (!text) return std::move(text).error().during("read " + path);
    auto local = templates::parse_local_yaml(*text);
    if (!local) return std::move(local).error().during(path);
    found.emplace(at->path().filename().string(), *std::move(local));
  }
  if (error)
    return Error{Errc::not_found, "read the templates in " + directory + ": " + error.message()};
  return found;
}

// Puts the runtimes of other templates in the place of `from`.
Status resolve(Descriptions& descriptions) {
  for (auto& [name, local] : descriptions) {
    for (auto& spec : local.runtimes) {
      if (spec.from.empty()) continue;
      auto other = descriptions.find(spec.from);
      bool usable = other != descriptions.end() && !other->second.runtimes.empty() &&
                    other->second.runtimes.front().from.empty();
      if (!usable) {
        return make_error("bad_config",
                          "template " + name + ": no runtime in template " + spec.from);
      }
      bool optional = spec.optional;
      spec = other->second.runtimes.front();
      spec.optional = optional;
    }
  }
  return success();
}

// Each runtime once, all at the same time: cold, a start takes up to a second.
class Lookups {
 public:
  explicit Lookups(const Descriptions& descriptions) {
    templates::LookupOptions options{.for_others = ::geteuid() == 0};
    for (const auto& [name, local] : descriptions) {
      for (const auto& spec : local.runtimes) {
        if (!local.unavailable.empty() || find(spec) != nullptr) continue;
        auto work = [spec, options] { return look_up(spec, options); };
        pending_.push_back({spec, std::async(std::launch::async, work).share()});
      }
    }
  }

  const Result<Runtime>& of(const RuntimeSpec& spec) const { return find(spec)->result.get(); }

 private:
  struct Pending {
    RuntimeSpec spec;
    std::shared_future<Result<Runtime>> result;
  };

  const Pending* find(RuntimeSpec spec) const {
    spec.optional = false;
    auto at = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& each) {
      RuntimeSpec other = each.spec;
      other.optional = false;
      return other == spec;
    });
    return at == pending_.end() ? nullptr : &*at;
  }

  std::vector<Pending> pending_;
};

Template make_template(const std::string& name, const LocalYaml& local, const Lookups& lookups) {
  Template made;
  made.name = name;
  made.lane = local.lane;
  made.description = local.description;
  made.language = local.language;
  made.env = local.env;
  made.parked = local.parked;
  made.size = local.size;
  made.memory = local.memory;
  made.message = local.unavailable;
  if (!local.unavailable.empty()) return made;
  bool missing = false;
  for (const auto& spec : local.runtimes) {
    const auto& runtime = lookups.of(spec);
    if (!runtime) {
      missing = missing || !spec.optional;
      made.message += (made.message.empty() ? "" : "; ") + runtime.error().message;
      continue;
    }
    made.runtimes.push_back(*runtime);
    made.runtime_version +=
        (made.runtime_version.empty() ? "" : ", ") + runtime->name + " " + runtime->version;
  }
  made.available = !missing && !made.runtimes.empty();
  return made;
}

}  // namespace

Result<std::vector<Template>> load_templates(const std::string& directory) {
  auto descriptions = read_descriptions(directory);
  if (!descriptions) return std::move(descriptions).error();
  if (auto ok = resolve(*descriptions); !ok) return std::move(ok).error();
  Lookups lookups(*descriptions);
  std::vector<Template> made;
  for (const auto& [name, local] : *descriptions)
    made.push_back(make_template(name, local, lookups));
  return made;
}

}  // namespace vibed
