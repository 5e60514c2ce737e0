// The SourceStore in a bucket of S3 or of what speaks like it.
#include "source/s3_source_store.hpp"

#include <algorithm>
#include <mutex>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "source/s3_object.hpp"
#include "source/source_key.hpp"

namespace vibed {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kSuffix = ".tar.gz";
constexpr std::size_t kLargestBundle = 4 * 1024 * 1024;
constexpr auto kBetweenSweeps = 1h;

// Keys are capabilities: no message names one.
Error no_such_source() { return {Errc::not_found, "there is no such source"}; }

Error endless(const std::string& action) {
  Error error = make_error("storage_unavailable", "a list of the source store has no end");
  return std::move(error).during(action);
}

class S3SourceStore final : public SourceStore {
 public:
  S3SourceStore(std::shared_ptr<aws::S3Client> client, std::string prefix, S3Tuning tuning)
      : client_(std::move(client)), prefix_(std::move(prefix)), tuning_(std::move(tuning)) {}

  // Whether the bucket is there and lets us in. That nobody answers just now is no failure.
  Status look() {
    auto page = page_of("", 1);
    if (page) sweep();
    if (page || page.error().reason != "storage_unavailable") {
      return page ? success() : Status(page.error());
    }
    log::warn("the source store does not answer yet", {{"error", page.error().message}});
    return success();
  }

  Result<StoredSource> put(const std::string& app, std::int64_t version,
                           ByteSource& bytes) override {
    auto key = make_source_key(app, version);
    if (!key) return key.error();
    auto written = S3Writer(*client_, tuning_.part_bytes).write(name_of(*key), bytes);
    if (!written) return std::move(written).error().during("store a source");
    auto facts = facts_of(*client_, name_of(*key));
    if (Status same = compare(*written, facts); !same) {
      // What is there must not be taken for the source. If this fails too, no record names it.
      (void)remove(*key);
      return Error(same.error()).during("store a source");
    }
    return StoredSource{*key, written->size, written->sha256, facts->modified};
  }

  Result<std::unique_ptr<ByteSource>> open(const std::string& key) override {
    auto name = name_of_reference(key);
    if (!name) return name.error();
    auto opened = open_s3_object(client_, *name, tuning_.part_bytes);
    if (!opened) return std::move(opened).error().during("read a source");
    return opened;
  }

  // Asks for one byte first, with the same credentials and clock: what is wrong with them, with the
  // bucket or with the source is known here in the store's words and may be waited for, where a
  // sandbox that fetches in vain is spent.
  Result<std::string> url(const std::string& key, std::chrono::seconds ttl) override {
    auto name = name_of_reference(key);
    if (!name) return name.error();
    aws::S3Request request{.action = "s3:GetObject", .key = *name};
    request.headers = {{"Range", "bytes=0-0"}};
    request.accepted = {416};  // an empty object has no ranges
    auto there = client_->send(std::move(request));
    if (!there) return std::move(there).error().during("read a source");
    return client_->presign(*name, ttl);
  }

  Status remove(const std::string& key) override {
    auto name = name_of_reference(key);
    if (!name) return success();
    aws::S3Request request{.action = "s3:DeleteObject", .method = "DELETE", .key = *name};
    auto answer = client_->send(std::move(request));
    if (answer || answer.error().code == Errc::not_found) return success();
    return std::move(answer).error().during("remove a source");
  }

  Result<std::vector<StoredSource>> list() override {
    std::vector<StoredSource> all;
    std::string next;
    do {
      auto page = page_of(next, 1000);
      if (!page) return std::move(page).error().during("list the sources");
      for (const aws::ListedObject& object : page->objects) {
        const std::string key = key_of(object.key);
        // Lists have fractions of seconds, and what tells of one object has not.
        const auto second = std::chrono::floor<std::chrono::seconds>(object.modified);
        if (!key.empty()) all.push_back({key, object.size, "", second});
      }
      if (!page->next.empty() && page->next == next) return endless("list the sources");
      next = page->next;
    } while (!next.empty());
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.key < b.key; });
    sweep_sometimes();
    return all;
  }

 private:
  std::string name_of(const std::string& key) const { return prefix_ + key + std::string(kSuffix); }

  // The object of a key, or of the URL that a record of the Go system has in its place: the
  // bucket's, signed for a time that is over. One of another place is never asked for.
  Result<std::string> name_of_reference(const std::string& key) const {
    if (is_source_key(key)) return name_of(key);
    if (key.find("://") == std::string::npos) return no_such_source();
    const std::string name = client_->address().key_of(key);
    if (name.size() > kSuffix.size() && name.ends_with(kSuffix)) return name;
    return Error{Errc::invalid_argument,
                 "the record has the URL of a source that is not in this bucket; deploy again"};
  }

  // "" for an object that is no source of this store.
  std::string key_of(const std::string& name) const {
    if (!name.starts_with(prefix_) || !name.ends_with(kSuffix)) return "";
    if (name.size() < prefix_.size() + kSuffix.size()) return "";
    std::string key = name.substr(prefix_.size(), name.size() - prefix_.size() - kSuffix.size());
    return is_source_key(key) ? key : "";
  }

  Result<aws::ObjectPage> page_of(const std::string& token, int most) {
    aws::S3Request request{.action = "s3:ListBucket"};
    request.query = {{"list-type", "2"}, {"delimiter", "/"}, {"max-keys", std::to_string(most)}};
    if (!prefix_.empty()) request.query.emplace_back("prefix", prefix_);
    if (!token.empty()) request.query.emplace_back("continuation-token", token);
    auto answer = client_->send(std::move(request));
    if (!answer) return answer.error();
    return aws::parse_object_page(answer->body);
  }

  // Whether the store has what was sent.
  static Status compare(const S3Written& written, const Result<S3Facts>& facts) {
    if (!facts && facts.error().code == Errc::not_found) {
      return make_error("storage_unavailable", "the source store has nothing of it");
    }
    if (!facts) return facts.error();
    const bool same = facts->size == written.size &&
                      (facts->sha256.empty() || facts->sha256 == written.sha256) &&
                      (facts->checksum.empty() || facts->checksum == written.checksum);
    if (same) return success();
    return make_error("source_damaged", "the source store has other bytes than were sent");
  }

  // Ends the uploads whose writers are dead. What cannot be swept now is next time.
  void sweep() {
    auto swept = sweep_uploads();
    if (!swept) {
      log::warn("stale uploads could not be swept", {{"error", swept.error().message}});
    } else if (*swept > 0) {
      log::info("stale uploads were swept", {{"uploads", std::to_string(*swept)}});
    }
  }

  void sweep_sometimes() {
    {
      std::lock_guard lock(mutex_);
      const auto now = std::chrono::steady_clock::now();
      if (now < next_sweep_) return;
      next_sweep_ = now + kBetweenSweeps;
    }
    sweep();
  }

  Result<int> sweep_uploads() {
    const auto stale = client_->now() - tuning_.stale_upload;
    int swept = 0;
    aws::UploadPage page;
    do {
      aws::S3Request request{.action = "s3:ListBucketMultipartUploads"};
      request.query = {{"uploads", ""}};
      if (!prefix_.empty()) request.query.emplace_back("prefix", prefix_);
      if (!page.next_key.empty()) request.query.emplace_back("key-marker", page.next_key);
      if (!page.next_id.empty()) request.query.emplace_back("upload-id-marker", page.next_id);
      auto answer = client_->send(std::move(request));
      if (!answer) return answer.error();
      auto next = aws::parse_upload_page(answer->body);
      if (!next) return next.error();
      const bool same = next->next_key == page.next_key && next->next_id == page.next_id;
      if (same && !page.next_key.empty()) return endless("list the uploads");
      page = *std::move(next);
      for (const aws::ListedUpload& upload : page.uploads) {
        if (key_of(upload.key).empty() || upload.initiated > stale) continue;
        if (Status done = abort_upload(*client_, upload.key, upload.id); !done) return done.error();
        ++swept;
      }
    } while (!page.next_key.empty());
    return swept;
  }

  const std::shared_ptr<aws::S3Client> client_;
  const std::string prefix_;
  const S3Tuning tuning_;
  std::mutex mutex_;
  // From opening on, which sweeps. Guarded by mutex_.
  std::chrono::steady_clock::time_point next_sweep_ =
      std::chrono::steady_clock::now() + kBetweenSweeps;
};

Result<aws::Addressing> addressing_of(const std::string& word) {
  if (word == "path") return aws::Addressing::path;
  if (word == "host") return aws::Addressing::host;
  if (word.empty() || word == "auto") return aws::Addressing::automatic;
  return make_error("bad_config", "storage.tarball.s3.addressing must be auto, path or host");
}

Result<std::shared_ptr<const fetch::Tls>> tls_of(const aws::Environment& environment) {
  const std::string bundle = aws::variable(environment, "AWS_CA_BUNDLE");
  if (bundle.empty()) return std::shared_ptr<const fetch::Tls>();
  auto text = read_file(bundle, kLargestBundle);
  if (!text) return make_error("bad_config", "AWS_CA_BUNDLE: " + text.error().message);
  return std::make_shared<const fetch::Tls>(fetch::Tls{.authorities = *text});
}

Result<std::shared_ptr<aws::S3Client>> client_of(const S3SourceOptions& options,
                                                 const S3Tuning& tuning) {
  if (options.access_key.empty() != options.secret_key.empty()) {
    return make_error("bad_config", "storage.tarball.s3 has only one of accessKey and secretKey");
  }
  const aws::SharedFiles files = aws::read_shared_files(options.environment);
  std::string region = options.region;
  if (region.empty()) region = aws::find_region(options.environment, files);
  if (region.empty()) region = "us-east-1";
  std::string endpoint = options.endpoint;
  if (endpoint.empty()) endpoint = aws::find_endpoint(options.environment, files, "s3");
  auto addressing = addressing_of(options.addressing);
  if (!addressing) return addressing.error();
  auto address = aws::S3Address::make(endpoint, options.bucket, region, *addressing);
  if (!address) return address.error();
  auto tls = tls_of(options.environment);
  if (!tls) return tls.error();

  std::shared_ptr<fetch::Client> http = fetch::make_client();
  aws::ObtainTools tools{http.get(), *tls, region,
                         aws::find_endpoint(options.environment, files, "sts"), tuning.now};
  auto credentials = aws::make_credentials({options.access_key, options.secret_key, ""},
                                           options.environment, std::move(tools));
  aws::S3ClientOptions client;
  client.region = region;
  client.tls = *tls;
  client.attempts = tuning.attempts;
  client.attempt_timeout = tuning.attempt_timeout;
  client.deadline = tuning.deadline;
  client.now = tuning.now;
  return std::make_shared<aws::S3Client>(*std::move(address), std::move(client), std::move(http),
                                         std::move(credentials));
}

}  // namespace

Result<std::unique_ptr<SourceStore>> open_s3_source_store(const S3SourceOptions& options,
                                                          const S3Tuning& tuning) {
  const bool bad_prefix = options.prefix.starts_with('/') ||
                          (!options.prefix.empty() && !options.prefix.ends_with('/'));
  if (bad_prefix) {
    return make_error("bad_config", "storage.tarball.s3.prefix must end with / and not begin so");
  }
  auto client = client_of(options, tuning);
  if (!client) return client.error();
  auto store = std::make_unique<S3SourceStore>(*std::move(client), options.prefix, tuning);
  if (Status looked = store->look(); !looked) return looked.error();
  return std::unique_ptr<SourceStore>(std::move(store));
}

Result<std::unique_ptr<SourceStore>> open_s3_source_store(const S3SourceOptions& options) {
  return open_s3_source_store(options, S3Tuning{});
}

}  // namespace vibed
