#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "archive/listing.hpp"
#include "archive/walk.hpp"
#include "vibed/archive.hpp"

namespace vibed {
namespace {

using namespace archive;

// Keeps the text of what may turn out to be the root package.json: which folder is stripped is
// known only at the end, but it can only be the one that the first path begins with.
class PackageJson final : public Visitor {
 public:
  Status entry(const ArchiveEntry& entry, const Change& change) override {
    for (const std::string& removed : change.removed) forget(removed);
    if (!first_) first_ = entry.path.substr(0, entry.path.find('/')) + "/package.json";
    current_ = nullptr;
    if (entry.type == EntryType::file && (entry.path == kName || entry.path == *first_)) {
      current_ = &texts_[entry.path];
      current_->assign(std::min<std::uint64_t>(entry.size, kPackageJsonBytes), '\0');
    }
    return success();
  }

  Status data(std::uint64_t offset, std::string_view bytes) override {
    if (current_ != nullptr && offset < current_->size()) {
      std::size_t count = std::min<std::uint64_t>(bytes.size(), current_->size() - offset);
      current_->replace(offset, count, bytes.substr(0, count));
    }
    return success();
  }

  std::string take(const std::string& wrapper) {
    return std::move(texts_[wrapper.empty() ? kName : wrapper + "/package.json"]);
  }

 private:
  void forget(const std::string& removed) {
    std::erase_if(texts_, [&](const auto& text) {
      return text.first == removed || text.first.starts_with(removed + "/");
    });
  }

  const std::string kName = "package.json";
  std::optional<std::string> first_;
  std::map<std::string, std::string> texts_;
  std::string* current_ = nullptr;  // into texts_
};

}  // namespace

Result<Listing> list_archive(ByteSource& source, const ArchiveLimits& limits) {
  PackageJson package_json;
  auto walked = walk_archive(source, limits, package_json);
  if (!walked) return std::move(walked).error();
  Listing listing;
  listing.package_json = package_json.take(walked->wrapper);
  listing.entries = std::move(walked->tree).take_entries(walked->wrapper);
  return listing;
}

}  // namespace vibed
