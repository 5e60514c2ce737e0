// SourceStore keeps uploaded source archives for as long as an app may need them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vibed/export.hpp"
#include "vibed/result.hpp"
#include "vibed/stream.hpp"

namespace vibed {

struct StoredSource {
  std::string key;  // "<app>.v<N>.<32 lower-case hex digits>": 128 random bits, unguessable
  std::uint64_t size = 0;
  std::string sha256;  // of the bytes, 64 lower-case hex digits; empty in list()
  std::chrono::system_clock::time_point stored_at = {};

  friend bool operator==(const StoredSource&, const StoredSource&) = default;
};

// A store of immutable source archives. The key is the capability: who knows it may read.
//
// All methods may be called from any thread at once, and from several processes.
class VIBED_EXPORT SourceStore {
 public:
  virtual ~SourceStore() = default;

  // Keeps what `bytes` has to give under a new key for version `version` of `app`. A caller that
  // sees success may lose power: the source is kept. A failure (a full disk is `resource_exhausted`
  // with the reason storage_full) leaves nothing behind.
  virtual Result<StoredSource> put(const std::string& app, std::int64_t version,
                                   ByteSource& bytes) = 0;

  // The bytes behind `key`, or `not_found`.
  virtual Result<std::unique_ptr<ByteSource>> open(const std::string& key) = 0;

  // A URL the bytes can be fetched from for `ttl`, made now and not meant to be stored;
  // `unavailable` when this store has no address others can reach.
  virtual Result<std::string> url(const std::string& key, std::chrono::seconds ttl) = 0;

  // Forgets `key`. Forgetting what is not there is a success.
  virtual Status remove(const std::string& key) = 0;

  // Every source there is, sorted by key, without hashes.
  virtual Result<std::vector<StoredSource>> list() = 0;
};

// Whether `key` has the form of a source key. Anything else is never looked up.
VIBED_EXPORT bool is_source_key(const std::string& key);

// A store in the folder `root`, made if absent. `public_base_url` is where its
// /internal/sources/<key>.tar.gz is served; empty: url() is `unavailable`. Left-over temporary
// files of a killed process are removed.
VIBED_EXPORT Result<std::unique_ptr<SourceStore>> open_served_source_store(
    const std::string& root, const std::string& public_base_url);

struct S3SourceOptions {
  std::string endpoint = {};    // "https://minio.example.org"; empty: AWS's, unless the environment
                                // or the profile names another
  std::string bucket = {};      // must be there
  std::string region = {};      // empty: the environment's or the profile's, else us-east-1
  std::string access_key = {};  // empty: AWS's own chain of credentials, from the environment on
  std::string secret_key = {};
  std::string prefix = {};  // of the objects' names, "team/"; two installations in one bucket need
                            // different ones
  // "path" (endpoint/bucket), "host" (bucket.endpoint) or "auto": path for an endpoint, host for
  // AWS's own.
  std::string addressing = "auto";
  // The process's environment, name → value: AWS_* and HOME count, as AWS's own tools have them.
  std::map<std::string, std::string> environment = {};
};

// A store in a bucket of S3 or of a server that speaks like it. A source is the object
// <prefix><key>.tar.gz. What may pass is tried again for up to a minute; temporary credentials are
// renewed before they end; a wrong clock of this machine is corrected by the server's. Reasons,
// each with a message that says what to do: storage_missing, storage_denied, storage_credentials,
// storage_clock_skew, storage_full, storage_unavailable, storage_refused, source_damaged. Opening
// fails with them too, but for storage_unavailable: the server may come up later. Uploads that a
// killed process left are ended once they are a day old.
VIBED_EXPORT Result<std::unique_ptr<SourceStore>> open_s3_source_store(
    const S3SourceOptions& options);

struct Config;

// The store that storage.tarball of `config` names, "served" in `served_root` unless the
// configuration names a folder. `environment` as in S3SourceOptions.
VIBED_EXPORT Result<std::unique_ptr<SourceStore>> open_configured_source_store(
    const Config& config, const std::map<std::string, std::string>& environment,
    const std::string& served_root);

// A store that lives and dies with the returned object.
VIBED_EXPORT std::unique_ptr<SourceStore> make_memory_source_store();

}  // namespace vibed
