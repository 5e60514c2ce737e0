// The store that a configuration names.
#include "base/error_codes.hpp"
#include "vibed/config.hpp"
#include "vibed/source_store.hpp"

namespace vibed {

Result<std::unique_ptr<SourceStore>> open_configured_source_store(
    const Config& config, const std::map<std::string, std::string>& environment,
    const std::string& served_root) {
  const Config::Storage& storage = config.storage;
  if (storage.backend == "served") {
    const std::string& own = storage.served_base_path;
    return open_served_source_store(own.empty() ? served_root : own, storage.served_base_url);
  }
  if (storage.backend != "s3") {
    return make_error("bad_config", "storage.tarball.backend must be served or s3");
  }
  S3SourceOptions options;
  options.endpoint = storage.s3_endpoint;
  options.bucket = storage.s3_bucket;
  options.region = storage.s3_region;
  options.access_key = storage.s3_access_key;
  options.secret_key = storage.s3_secret_key;
  options.prefix = storage.s3_prefix;
  options.addressing = storage.s3_addressing;
  options.environment = environment;
  return open_s3_source_store(options);
}

}  // namespace vibed
