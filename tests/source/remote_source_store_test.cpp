// Sources that another process serves.
#include "source/remote_source_store.hpp"

#include <gtest/gtest.h>

#include "http/server.hpp"

namespace vibed {
namespace {

const std::string kKey = "web.v1.0123456789abcdef0123456789abcdef";

class RemoteSourceStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    http::Router router;
    router.add("GET", "/internal/sources/{file}", [](http::Request& request) {
      http::Response response;
      response.status = request.parameters["file"] == kKey + ".tar.gz" ? 200 : 404;
      response.body = "bytes of the source";
      return response;
    });
    server_ = std::move(*http::start_server("127.0.0.1:0", std::move(router)));
    base_ = "http://" + server_->address();
    store_ = std::move(*make_remote_source_store(base_ + "/"));
  }

  std::string text(const std::string& key) {
    auto source = store_->open(key);
    if (!source) return "error: " + source.error().message;
    return *read_all(**source, 1000);
  }

  std::unique_ptr<http::Server> server_;
  std::string base_;
  std::unique_ptr<SourceStore> store_;
};

TEST_F(RemoteSourceStoreTest, OpensWhatTheOtherServes) {
  EXPECT_EQ(text(kKey), "bytes of the source");
  EXPECT_EQ(*store_->url(kKey, std::chrono::seconds(1)),
            base_ + "/internal/sources/" + kKey + ".tar.gz");
}

TEST_F(RemoteSourceStoreTest, WhatIsNotThereIsNotFoundAndItsKeyIsNoPartOfTheMessage) {
  const std::string other = "web.v2.0123456789abcdef0123456789abcdef";
  auto source = store_->open(other);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::not_found);
  EXPECT_EQ(source.error().message.find("0123456789"), std::string::npos);
  EXPECT_EQ(store_->open("../../etc/passwd").error().code, Errc::not_found);
}

TEST_F(RemoteSourceStoreTest, AnOldRecordsUrlIsOpenedIfItIsOfThisPlaceAndNoOther) {
  EXPECT_EQ(text(base_ + "/internal/sources/" + kKey + ".tar.gz"), "bytes of the source");
  for (const std::string& url :
       {std::string("http://169.254.169.254/latest/meta-data"), base_ + "/v1/apps",
        base_ + "/internal/sources/../../v1/apps.tar.gz", base_ + "/internal/sources/.tar.gz",
        base_ + "/internal/sources/%2e%2e.tar.gz", base_ + "/internal/sources/a?b=.tar.gz",
        "https://" + server_->address() + "/internal/sources/" + kKey + ".tar.gz"}) {
    auto source = store_->open(url);
    ASSERT_FALSE(source) << url;
    EXPECT_EQ(source.error().code, Errc::invalid_argument) << url;
  }
}

TEST_F(RemoteSourceStoreTest, OnlyReads) {
  auto bytes = make_memory_source("x");
  EXPECT_EQ(store_->put("web", 1, *bytes).error().code, Errc::permission_denied);
  EXPECT_EQ(store_->remove(kKey).error().code, Errc::permission_denied);
  EXPECT_EQ(store_->list().error().code, Errc::permission_denied);
}

TEST_F(RemoteSourceStoreTest, AnAddressThatIsNoneIsRefused) {
  EXPECT_FALSE(make_remote_source_store("vibed:8080"));
  EXPECT_FALSE(make_remote_source_store("ftp://vibed/"));
}

}  // namespace
}  // namespace vibed
