#include "fetch/exchange.hpp"

#include <pthread.h>
#include <sys/un.h>

#include <csignal>
#include <ctime>
#include <stop_token>

#include "base/error_codes.hpp"

namespace vibed::fetch {
namespace {

constexpr int kLongestPollMs = 1000;
constexpr long kConnectionsKept = 8;
constexpr long kConnectionIdleSeconds = 60;
constexpr long kUploadBufferBytes = 256 * 1024;
constexpr long kProbeAfterSeconds = 30;  // of silence
constexpr long kProbeEverySeconds = 6;   // the kernel gives up after nine without an answer

// Keeps the SIGPIPE that OpenSSL's write may raise away from the program around us. curl itself
// sends with MSG_NOSIGNAL.
class SigpipeGuard {
 public:
  SigpipeGuard() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~SigpipeGuard() {
    const timespec now{};
    if (!was_pending_) {
      while (sigtimedwait(&pipe_, nullptr, &now) == SIGPIPE) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

bool is_one_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// Whether sending it twice does what sending it once does: curl repeats a request by itself when a
// kept connection turns out to be dead.
bool is_repeatable(const Request& request) {
  if (request.body_source != nullptr) return false;
  return request.repeatable || (request.method != "POST" && request.method != "PATCH");
}

}  // namespace

Result<Response> Exchange::run() {
  CURL* easy = slot_.easy.get();
  if (auto prepared = prepare(); !prepared) {
    curl_easy_reset(easy);
    return prepared.error();
  }
  const SigpipeGuard guard;
  const CURLcode code = perform();
  if (code == CURLE_OK || ended_) {
    response_.status = static_cast<int>(status());
  }
  const bool done = code == CURLE_OK || ended_;
  Result<Response> result = done ? Result<Response>(std::move(response_)) : error_of(code);
  curl_easy_reset(easy);  // the connections are kept by the multi handle
  return result;
}

Status Exchange::prepare() {
  if (!is_one_line(request_.method) || request_.method.empty() || !is_one_line(request_.url)) {
    return Error{Errc::invalid_argument, "not a request: " + request_.method};
  }
  if (request_.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return make_error("path_too_long", "socket path too long: " + request_.unix_socket);
  }
  if (auto headers = prepare_headers(); !headers) return headers;
  prepare_connection();
  prepare_limits();
  prepare_body();
  return prepare_tls();
}

Status Exchange::prepare_headers() {
  // Without these curl waits up to a second for "100 Continue" and makes up a form's Content-Type.
  std::string lines[] = {"Expect:", "Content-Type:"};
  bool typed = false;
  for (const auto& [name, value] : request_.headers) {
    if (!is_one_line(name) || !is_one_line(value)) {
      return Error{Errc::invalid_argument, "header with a line break"};
    }
    // "Name:" would remove the header; "Name;" sends it empty.
    const std::string line = value.empty() ? name + ";" : name + ": " + value;
    headers_.reset(curl_slist_append(headers_.release(), line.c_str()));
    typed = typed || curl_strequal(name.c_str(), "Content-Type") != 0;
  }
  headers_.reset(curl_slist_append(headers_.release(), lines[0].c_str()));
  if (!typed) headers_.reset(curl_slist_append(headers_.release(), lines[1].c_str()));
  if (request_.body_source != nullptr && request_.body_size < 0) {
    headers_.reset(curl_slist_append(headers_.release(), "Transfer-Encoding: chunked"));
  }
  curl_easy_setopt(slot_.easy.get(), CURLOPT_HTTPHEADER, headers_.get());
  return success();
}

void Exchange::prepare_connection() {
  CURL* easy = slot_.easy.get();
  curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  if (!request_.unix_socket.empty()) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_PROXY, request_.proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kProbeAfterSeconds);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kProbeEverySeconds);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, kConnectionsKept);
  curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, kConnectionIdleSeconds);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, is_repeatable(request_) ? 0L : 1L);
}

void Exchange::prepare_limits() {
  CURL* easy = slot_.easy.get();
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request_.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, message_.data());
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &Exchange::on_progress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

void Exchange::prepare_body() {
  CURL* easy = slot_.easy.get();
  const std::string& method = request_.method;
  if (request_.body_source != nullptr) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &Exchange::on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, this);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body_size));
  } else if (!request_.body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
  } else if (method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
}

CURLcode Exchange::perform() {
  CURLM* multi = slot_.multi.get();
  CURL* easy = slot_.easy.get();
  if (curl_multi_add_handle(multi, easy) != CURLM_OK) return CURLE_FAILED_INIT;
  CURLcode code = CURLE_ABORTED_BY_CALLBACK;
  {
    const std::stop_callback wake(request_.stop, [multi] { curl_multi_wakeup(multi); });
    int running = 1;
    while (!request_.stop.stop_requested()) {
      if (curl_multi_perform(multi, &running) != CURLM_OK) break;
      if (running == 0) break;
      if (curl_multi_poll(multi, nullptr, 0, kLongestPollMs, nullptr) != CURLM_OK) break;
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) code = message->data.result;
    }
  }
  curl_multi_remove_handle(multi, easy);
  return code;
}

Error Exchange::error_of(CURLcode code) const {
  if (!source_failed_) return Error(source_failed_.error()).during("read the request body");
  if (too_large_) {
    return {Errc::resource_exhausted,
            "answer larger than " + std::to_string(request_.max_body_bytes) + " bytes"};
  }
  if (request_.stop.stop_requested()) return {Errc::cancelled, "stopped"};
  const char* why = message_[0] != '\0' ? message_.data() : curl_easy_strerror(code);
  const std::string where =
      request_.unix_socket.empty() ? request_.url : request_.unix_socket + " " + request_.url;
  Error error{Errc::unavailable, where + ": " + why};
  if (code == CURLE_OPERATION_TIMEDOUT) error.code = Errc::deadline_exceeded;
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
      code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE) {
    error.code = Errc::invalid_argument;
  }
  return error;
}

long Exchange::status() const {
  long status = 0;
  curl_easy_getinfo(slot_.easy.get(), CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::size_t Exchange::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& me = *static_cast<Exchange*>(self);
  auto& response = me.response_;
  std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    response.headers.clear();  // of a 1xx answer before
    return size * count;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    const long status = line == "\r\n" ? me.status() : 0;
    if (status >= 200 && me.request_.on_head) me.request_.on_head(static_cast<int>(status));
    return size * count;
  }
  std::string_view value = line.substr(colon + 1);
  const std::size_t from = value.find_first_not_of(" \t\r\n");
  const std::size_t to = value.find_last_not_of(" \t\r\n");
  value = from == std::string_view::npos ? std::string_view() : value.substr(from, to - from + 1);
  response.headers.emplace_back(line.substr(0, colon), value);
  return size * count;
}

bool Exchange::to_memory() const {
  if (!request_.on_data) return true;
  if (!request_.on_data_of_success) return false;
  return status() < 200 || status() > 299;
}

std::size_t Exchange::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& me = *static_cast<Exchange*>(self);
  const std::string_view bytes(data, size * count);
  if (!me.to_memory()) {
    if (me.request_.on_data(bytes)) return bytes.size();
    me.ended_ = true;
    return 0;
  }
  if (me.response_.body.size() + bytes.size() > me.request_.max_body_bytes) {
    me.too_large_ = true;
    return 0;
  }
  me.response_.body.append(bytes);
  return bytes.size();
}

std::size_t Exchange::on_read(char* data, std::size_t size, std::size_t count, void* self) {
  auto& me = *static_cast<Exchange*>(self);
  auto got = me.request_.body_source->read({data, size * count});
  if (got) return *got;
  me.source_failed_ = got.error();
  return CURL_READFUNC_ABORT;
}

int Exchange::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t total, curl_off_t sent) {
  auto& me = *static_cast<Exchange*>(self);
  if (me.request_.on_upload && me.request_.body_source != nullptr && sent != me.reported_) {
    me.reported_ = sent;
    me.request_.on_upload(sent, total > 0 ? total : me.request_.body_size);
  }
  return me.request_.stop.stop_requested() ? 1 : 0;
}

}  // namespace vibed::fetch
