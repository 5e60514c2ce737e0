#include "source/remote_source_store.hpp"

#include <string_view>
#include <utility>

#include "base/fd.hpp"
#include "http/download.hpp"
#include "http/source_url.hpp"

namespace vibed {
namespace {

constexpr std::string_view kFolder = "/internal/sources/";
constexpr std::string_view kSuffix = ".tar.gz";

// What was downloaded, for as long as it is read.
class FetchedSource final : public ByteSource {
 public:
  explicit FetchedSource(http::Downloaded fetched)
      : fetched_(std::move(fetched)),
        bytes_(make_file_range_source(fetched_.file.get(), 0, fetched_.size)) {}

  Result<std::size_t> read(std::span<char> buffer) override { return bytes_->read(buffer); }

 private:
  http::Downloaded fetched_;
  std::unique_ptr<ByteSource> bytes_;
};

class RemoteSourceStore final : public SourceStore {
 public:
  explicit RemoteSourceStore(std::string folder) : folder_(std::move(folder)) {}

  Result<StoredSource> put(const std::string&, std::int64_t, ByteSource&) override {
    return only_read();
  }

  Result<std::unique_ptr<ByteSource>> open(const std::string& key) override {
    auto url = url_of(key);
    if (!url) return std::move(url).error();
    auto fetched = http::download(*url, {});
    if (!fetched) return std::move(fetched).error().during("fetch the source from the API");
    return std::unique_ptr<ByteSource>(std::make_unique<FetchedSource>(std::move(*fetched)));
  }

  Result<std::string> url(const std::string& key, std::chrono::seconds) override {
    return url_of(key);
  }

  Status remove(const std::string&) override { return only_read(); }
  Result<std::vector<StoredSource>> list() override { return only_read(); }

 private:
  static Error only_read() {
    return {Errc::permission_denied, "sources are kept by the API, not here"};
  }

  // Keys are capabilities: no message names one.
  Result<std::string> url_of(const std::string& key) const {
    if (is_source_key(key)) return folder_ + key + std::string(kSuffix);
    std::string_view rest = key;
    if (rest.find("://") == rest.npos) return Error{Errc::not_found, "there is no such source"};
    bool ours = rest.starts_with(folder_) && rest.ends_with(kSuffix);
    if (ours) {
      rest.remove_prefix(folder_.size());
      rest.remove_suffix(std::min(kSuffix.size(), rest.size()));
      ours = rest.find_first_of("/?#%") == rest.npos && !rest.empty();
    }
    if (!ours) {
      return Error{
          Errc::invalid_argument,
          "the record has the URL of a source that this vibed does not serve; deploy again"};
    }
    return key;
  }

  const std::string folder_;
};

}  // namespace

Result<std::unique_ptr<SourceStore>> make_remote_source_store(const std::string& base_url) {
  if (auto parsed = http::parse_source_url(base_url); !parsed) return std::move(parsed).error();
  std::string base = base_url;
  while (base.ends_with('/')) base.pop_back();
  return std::unique_ptr<SourceStore>(
      std::make_unique<RemoteSourceStore>(base + std::string(kFolder)));
}

}  // namespace vibed
