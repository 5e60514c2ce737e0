// What an exchange tells curl of keys, authorities and names.
#include <fmt/format.h>

#include "fetch/exchange.hpp"

namespace vibed::fetch {
namespace {

void set_blob(CURL* easy, CURLoption option, const std::string& text) {
  curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

}  // namespace

Status Exchange::prepare_tls() {
  if (request_.tls == nullptr) return success();
  CURL* easy = slot_.easy.get();
  const Tls& tls = *request_.tls;
  if (!tls.authorities.empty()) {
    set_blob(easy, CURLOPT_CAINFO_BLOB, tls.authorities);
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);  // else the system's would do as well
  }
  if (!tls.certificate.empty()) {
    set_blob(easy, CURLOPT_SSLCERT_BLOB, tls.certificate);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, tls.key);
  }
  if (tls.insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  return tls.server_name.empty() ? success() : ask_for(tls.server_name);
}

// curl asks a server for the name it has in the URL: so that name goes into the URL, and where to
// connect and what to call the host in HTTP are said apart.
Status Exchange::ask_for(const std::string& name) {
  const std::unique_ptr<CURLU, UrlDeleter> url(curl_url());
  char* host = nullptr;
  char* port = nullptr;
  char* changed = nullptr;
  bool good =
      name.find_first_of("\r\n") == std::string::npos &&
      curl_url_set(url.get(), CURLUPART_URL, request_.url.c_str(), CURLU_PATH_AS_IS) == CURLUE_OK &&
      curl_url_get(url.get(), CURLUPART_HOST, &host, 0) == CURLUE_OK &&
      curl_url_get(url.get(), CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
      curl_url_set(url.get(), CURLUPART_HOST, name.c_str(), 0) == CURLUE_OK &&
      curl_url_get(url.get(), CURLUPART_URL, &changed, 0) == CURLUE_OK;
  if (good) {
    const std::string where = fmt::format("::{}:{}", host, port);
    connect_to_.reset(curl_slist_append(nullptr, where.c_str()));
    const std::string line = fmt::format("Host: {}:{}", host, port);
    headers_.reset(curl_slist_append(headers_.release(), line.c_str()));
    curl_easy_setopt(slot_.easy.get(), CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(slot_.easy.get(), CURLOPT_CONNECT_TO, connect_to_.get());
    curl_easy_setopt(slot_.easy.get(), CURLOPT_URL, changed);
  }
  for (char* text : {host, port, changed}) curl_free(text);
  if (good) return success();
  return Error{Errc::invalid_argument, "not a server name or URL: " + name + ", " + request_.url};
}

}  // namespace vibed::fetch
