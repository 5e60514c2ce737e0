// The SourceStore that lives and dies with its process.
#include <map>
#include <mutex>

#include "base/ids.hpp"
#include "source/source_key.hpp"
#include "vibed/source_store.hpp"

namespace vibed {
namespace {

constexpr std::size_t kLimit = std::size_t{1} << 30;

// Reads bytes that stay alive although the store forgets them.
class SharedSource final : public ByteSource {
 public:
  explicit SharedSource(std::shared_ptr<const std::string> bytes)
      : bytes_(std::move(bytes)), rest_(make_memory_source(*bytes_)) {}
  Result<std::size_t> read(std::span<char> buffer) override { return rest_->read(buffer); }

 private:
  std::shared_ptr<const std::string> bytes_;
  std::unique_ptr<ByteSource> rest_;
};

struct Entry {
  std::shared_ptr<const std::string> bytes;
  std::chrono::system_clock::time_point stored_at;
};

class MemorySourceStore final : public SourceStore {
 public:
  Result<StoredSource> put(const std::string& app, std::int64_t version,
                           ByteSource& bytes) override {
    auto key = make_source_key(app, version);
    if (!key) return std::move(key).error();
    auto read = read_all(bytes, kLimit);
    if (!read) return std::move(read).error();
    auto now = std::chrono::system_clock::now();
    StoredSource stored{*key, read->size(), to_hex(sha256(*read)), now};
    std::lock_guard lock(mutex_);
    entries_[*key] = {std::make_shared<const std::string>(*std::move(read)), now};
    return stored;
  }

  Result<std::unique_ptr<ByteSource>> open(const std::string& key) override {
    std::lock_guard lock(mutex_);
    auto at = entries_.find(key);
    if (at == entries_.end()) return Error{Errc::not_found, "there is no such source"};
    return std::unique_ptr<ByteSource>(std::make_unique<SharedSource>(at->second.bytes));
  }

  Result<std::string> url(const std::string&, std::chrono::seconds) override {
    return Error{Errc::unavailable, "sources in memory have no address"};
  }

  Status remove(const std::string& key) override {
    std::lock_guard lock(mutex_);
    entries_.erase(key);
    return success();
  }

  Result<std::vector<StoredSource>> list() override {
    std::lock_guard lock(mutex_);
    std::vector<StoredSource> all;
    for (const auto& [key, entry] : entries_) {
      all.push_back({key, entry.bytes->size(), "", entry.stored_at});
    }
    return all;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // guarded by mutex_
};

}  // namespace

std::unique_ptr<SourceStore> make_memory_source_store() {
  return std::make_unique<MemorySourceStore>();
}

}  // namespace vibed
