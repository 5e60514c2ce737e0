// The store that a configuration names.
#include <gtest/gtest.h>

#include <filesystem>

#include "source/s3_double.hpp"
#include "support/temp_dir.hpp"
#include "vibed/config.hpp"
#include "vibed/source_store.hpp"

namespace vibed {
namespace {

Result<StoredSource> put(SourceStore& store) {
  auto bytes = make_memory_source("hello");
  return store.put("app", 1, *bytes);
}

TEST(ConfiguredSourceStore, IsAFolderUnlessSaidOtherwise) {
  testing::TempDir dir;
  Config config;
  auto store = open_configured_source_store(config, {}, dir / "data");
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->url("x", {}).error().code, Errc::unavailable);
  config.storage.served_base_path = dir / "own";
  config.storage.served_base_url = "http://api";
  store = open_configured_source_store(config, {}, dir / "data");
  ASSERT_TRUE(store) << store.error().message;
  auto stored = put(**store);
  ASSERT_TRUE(stored);
  EXPECT_TRUE(std::filesystem::exists(dir / ("own/" + stored->key + ".tar.gz")));
  EXPECT_TRUE((*store)->url(stored->key, {})->starts_with("http://api/internal/sources/"));
  config.storage.backend = "tape";
  EXPECT_EQ(open_configured_source_store(config, {}, dir / "data").error().reason, "bad_config");
}

TEST(ConfiguredSourceStore, IsABucketWithAllThatTheConfigurationSays) {
  testing::S3Double s3;
  Config config;
  config.storage.backend = "s3";
  config.storage.s3_endpoint = s3.url();
  config.storage.s3_bucket = "b";
  config.storage.s3_region = "eu-west-9";
  config.storage.s3_access_key = "AK";
  config.storage.s3_secret_key = "SK";
  config.storage.s3_prefix = "team/";
  auto store = open_configured_source_store(config, {}, "");
  ASSERT_TRUE(store) << store.error().message;
  auto stored = put(**store);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_TRUE(s3.objects().contains("team/" + stored->key + ".tar.gz"));
  const std::string url = *(*store)->url(stored->key, std::chrono::seconds(60));
  EXPECT_TRUE(url.starts_with(s3.url() + "/b/team/app.v1.")) << url;
  EXPECT_NE(url.find("X-Amz-Credential=AK%2F"), std::string::npos) << url;
  EXPECT_NE(url.find("%2Feu-west-9%2Fs3%2F"), std::string::npos) << url;
  config.storage.s3_addressing = "host";
  EXPECT_EQ(open_configured_source_store(config, {{"AWS_CA_BUNDLE", "/none"}}, "").error().reason,
            "bad_config");
}

TEST(ConfiguredSourceStore, OfTheEnvironmentTakesKeysRegionAndEndpoint) {
  testing::S3Double s3;
  Config config;
  config.storage.backend = "s3";
  config.storage.s3_bucket = "b";
  auto store = open_configured_source_store(config,
                                            {{"AWS_ACCESS_KEY_ID", "ENV"},
                                             {"AWS_SECRET_ACCESS_KEY", "S"},
                                             {"AWS_REGION", "eu-south-7"},
                                             {"AWS_ENDPOINT_URL_S3", s3.url()}},
                                            "");
  ASSERT_TRUE(store) << store.error().message;
  auto stored = put(**store);
  ASSERT_TRUE(stored) << stored.error().message;
  const std::string url = *(*store)->url(stored->key, std::chrono::seconds(60));
  EXPECT_NE(url.find("X-Amz-Credential=ENV%2F"), std::string::npos) << url;
  EXPECT_NE(url.find("%2Feu-south-7%2Fs3%2F"), std::string::npos) << url;
}

}  // namespace
}  // namespace vibed
