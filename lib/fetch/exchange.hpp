// Exchange: one request and its answer on one curl handle.
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "fetch/fetch.hpp"

namespace vibed::fetch {

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// A handle with the connections it keeps open between exchanges.
struct Slot {
  std::unique_ptr<CURLM, MultiDeleter> multi;  // owns the connections
  std::unique_ptr<CURL, EasyDeleter> easy;
};

class Exchange {
 public:
  // Both outlive the exchange.
  Exchange(Slot& slot, const Request& request) : slot_(slot), request_(request) {}

  Result<Response> run();

 private:
  Status prepare();
  Status prepare_headers();
  void prepare_connection();
  void prepare_limits();
  Status prepare_tls();
  Status ask_for(const std::string& name);
  void prepare_body();
  CURLcode perform();
  Error error_of(CURLcode code) const;

  long status() const;
  bool to_memory() const;  // whether the response body is kept

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_read(char* data, std::size_t size, std::size_t count, void* self);
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t total, curl_off_t sent);

  Slot& slot_;
  const Request& request_;
  Response response_;
  std::unique_ptr<curl_slist, ListDeleter> headers_;
  std::unique_ptr<curl_slist, ListDeleter> connect_to_;
  std::array<char, CURL_ERROR_SIZE> message_{};
  Status source_failed_ = success();  // why body_source could not be read
  bool ended_ = false;                // on_data has had enough
  bool too_large_ = false;
  std::int64_t reported_ = -1;  // what on_upload was last told
};

}  // namespace vibed::fetch
