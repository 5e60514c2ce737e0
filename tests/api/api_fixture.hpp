// ApiTest: the API on a real socket, over a real service and lifecycle, memory stores and a
// scripted pool.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "api/api.hpp"
#include "lifecycle/loop.hpp"
#include "sandbox/memory_pool.hpp"
#include "support/raw_client.hpp"
#include "support/tar_builder.hpp"
#include "support/temp_dir.hpp"

namespace vibed::api {

using Json = nlohmann::json;
using testing::RawAnswer;
using testing::RawClient;

// Every {method, route, status} and every error code the tests of this program have seen: what
// openapi_test.cpp holds docs/openapi.yaml to.
struct Seen {
  std::mutex mutex;
  std::set<std::tuple<std::string, std::string, int>> answers;
  std::set<std::string> codes;
};
Seen& seen();

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
    service_options.deploy_budget = std::chrono::milliseconds(5000);
    options.spool_directory = spool.path();
    options.sources = sources.get();
  }

  // After `options`, `service_options` and `pool` are as they should be.
  void start() {
    lifecycle = lifecycle::Lifecycle::start(*apps, *pool, {});
    service = std::make_unique<Service>(*apps, *sources, *pool, "vibed-apps", service_options);
    auto server_options = make_api_server_options(metrics, options);
    auto count = server_options.observe;
    server_options.observe = [count](const std::string& method, const std::string& pattern,
                                     int status, double seconds) {
      count(method, pattern, status, seconds);
      std::lock_guard lock(seen().mutex);
      seen().answers.emplace(method, pattern, status);
    };
    auto started = http::start_server("127.0.0.1:0", make_api_router(*service, metrics, options),
                                      server_options);
    ASSERT_TRUE(started) << started.error().message;
    server = *std::move(started);
  }

  std::string head(const std::string& method, const std::string& path, const std::string& fields) {
    return method + " " + path + " HTTP/1.1\r\nHost: " + server->address() + "\r\n" + fields;
  }

  RawAnswer call(const std::string& method, const std::string& path, const std::string& body = "",
                 const std::string& fields = "") {
    RawClient client(server->address());
    std::string length = method == "GET" && body.empty()
                             ? ""
                             : "Content-Length: " + std::to_string(body.size()) + "\r\n";
    client.send(head(method, path, fields + length) + "\r\n" + body);
    auto answer = client.answer(method == "HEAD");
    note_code(answer);
    return answer;
  }

  static Json json(const RawAnswer& answer) { return Json::parse(answer.body, nullptr, false); }

  static std::string code(const RawAnswer& answer) {
    Json body = json(answer);
    return body.is_object() ? body.value("code", "") : "";
  }

  static std::string part(const std::string& disposition, const std::string& content) {
    return "--b0\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n";
  }
  static std::string form(const std::string& metadata, const std::string& archive) {
    return part("name=\"metadata\"", metadata) +
           part("name=\"source\"; filename=\"source.tgz\"", archive) + "--b0--\r\n";
  }
  RawAnswer post_form(const std::string& path, const std::string& body) {
    return call("POST", path, body, "Content-Type: multipart/form-data; boundary=b0\r\n");
  }
  RawAnswer deploy(const std::string& name, const std::string& text = "<h1>hello</h1>") {
    return post_form("/v1/deploy", form(Json{{"name", name}}.dump(), site(text)));
  }
  static std::string site(const std::string& text) {
    return testing::make_tgz({{"index.html", text}});
  }

  static void note_code(const RawAnswer& answer) {
    if (answer.status < 400 || code(answer).empty()) return;
    std::lock_guard lock(seen().mutex);
    seen().codes.insert(code(answer));
  }

  testing::TempDir spool;
  std::unique_ptr<AppStore> apps = make_memory_app_store("vibed-apps");
  std::unique_ptr<SourceStore> sources = make_memory_source_store();
  std::unique_ptr<sandbox::MemoryPool> pool = sandbox::make_memory_sandbox_pool();
  observe::Metrics metrics;
  ApiOptions options;
  ServiceOptions service_options;
  std::unique_ptr<lifecycle::Lifecycle> lifecycle;
  std::unique_ptr<Service> service;
  std::unique_ptr<http::Server> server;
};

}  // namespace vibed::api
