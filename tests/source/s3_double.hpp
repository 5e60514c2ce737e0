// S3Double: a small S3 in memory that breaks where a test says. It checks what a real one checks of
// bodies and conditions, and no signature: the real one does.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fetch/scripted_server.hpp"
#include "vibed/source_store.hpp"

namespace vibed::testing {

struct S3Asked {
  std::string method;
  std::string bucket;
  std::string key;                           // "" of the bucket
  std::map<std::string, std::string> query;  // decoded
  std::string head;
  std::string body;

  std::string header(const std::string& name) const;  // "" if absent
  // "PUT", "PUT part 2", "POST uploads", "LIST", …: for tests to count and to break.
  std::string what() const;
};

struct S3Fault {
  std::optional<Script> instead = {};  // answered, and nothing done
  bool cut = false;                    // done, and the connection ends without an answer
};

class S3Double {
 public:
  using Break = std::function<S3Fault(const S3Asked& asked, int number)>;  // which of its what()

  explicit S3Double(Break broken = {});

  S3SourceOptions options() const;  // its bucket "b" with keys
  std::string url() const { return server_->url(); }

  std::vector<std::string> log();  // what() of all requests but LIST and GET uploads
  int count(const std::string& what);
  std::map<std::string, std::string> objects();  // bytes by key
  void put_object(const std::string& key, const std::string& bytes);
  void put_upload(const std::string& key, const std::string& id, std::chrono::hours age);
  std::vector<std::string> uploads();  // ids of those that have not ended

  std::size_t page = 1000;  // of lists

 private:
  struct Object {
    std::string bytes;
    std::map<std::string, std::string> headers;
  };
  struct Upload {
    std::string key;
    std::string initiated;
    std::map<int, std::string> parts;
    std::map<std::string, std::string> headers;
  };
  Script answer(const Seen& seen);
  Script perform(const S3Asked& asked);
  Script object(const S3Asked& asked);
  Script of_upload(const S3Asked& asked);
  Script list(const S3Asked& asked);
  Script list_uploads();

  Break broken_;
  std::mutex mutex_;
  std::map<std::string, Object> objects_;  // all below guarded by mutex_
  std::map<std::string, Upload> uploads_;
  std::vector<std::string> log_;
  std::map<std::string, int> counts_;
  std::unique_ptr<ScriptedServer> server_;
};

// An answer with an <Error>.
Script s3_failure(int status, const std::string& code, const std::string& headers = "");

}  // namespace vibed::testing
