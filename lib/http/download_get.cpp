#include "http/download_get.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <string_view>

#include "base/error_codes.hpp"
#include "http/download_waits.hpp"
#include "http/tls.hpp"

namespace vibed::http {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
using ErrorFlag = boost::system::error_code;
using Tcp = net::ip::tcp;
using AnswerParser = beast::http::response_parser<beast::http::buffer_body>;

constexpr std::uint32_t kLongestHead = 64 * 1024;
constexpr std::size_t kLongestText = 16 * 1024;  // of an answer that is not a source
constexpr int kMostInterim = 10;                 // 1xx answers before the real one

Error passing(std::string message) {
  return {Errc::unavailable, "fetch source: " + std::move(message)};
}

// What a failed read of the answer means.
Error read_error(const ErrorFlag& error, const std::string& when) {
  namespace http = beast::http;
  if (error == http::error::end_of_stream || error == http::error::partial_message ||
      error == net::error::eof || error == net::ssl::error::stream_truncated)
    return passing(when);
  if (error == http::error::header_limit) return passing("the answer's head is too long");
  if (error.category() == http::make_error_code(http::error::bad_version).category())
    return passing("not an HTTP answer");
  return passing("read the answer: " + error.message());
}

// No name, no way or no connection: nobody was there to be asked.
Error out_of_reach(Error error) {
  if (error.code != Errc::cancelled) error.reason = kOutOfReach;
  return error;
}

// One GET on a connection, plain or with TLS.
class Exchange {
 public:
  Exchange(const SourceUrl& url, int file, const DownloadOptions& options,
           std::chrono::steady_clock::time_point deadline)
      : url_(url), file_(file), options_(options), waits_(options, deadline), socket_(waits_.io) {}

  Result<DownloadAnswer> run() {
    Status dialled = dial();
    if (!dialled) return std::move(dialled).error();
    if (url_.scheme != "https") return talk(socket_);
    auto context = make_tls_context(options_.authorities);
    if (!context) return std::move(context).error();
    TlsStream stream(socket_, *context);
    Status good = expect_host(stream, url_.host);
    if (!good) return std::move(good).error();
    good = wait(options_.connect_timeout, "the TLS handshake", [&](auto ended) {
      stream.async_handshake(net::ssl::stream_base::client, std::move(ended));
    });
    if (!good) return std::move(good).error();
    if (failed_) return handshake_error(stream, failed_, url_.host);
    return talk(stream);
  }

 private:
  // Starts an operation and waits for its end, which is in failed_.
  template <class Start>
  Status wait(std::chrono::milliseconds limit, const char* doing, Start start) {
    bool done = false;
    start([this, &done](ErrorFlag error, auto...) {
      failed_ = error;
      done = true;
    });
    return waits_.until(done, limit, doing, [this] {
      ErrorFlag ignored;
      socket_.close(ignored);
    });
  }

  Status dial() {
    auto endpoints = waits_.look_up(url_);
    if (!endpoints) return out_of_reach(std::move(endpoints).error());
    Error last = out_of_reach(passing("no address for " + url_.host));
    for (const auto& endpoint : *endpoints) {
      std::string address = endpoint.address().to_string();
      if (options_.allowed && !options_.allowed(*endpoint.data())) {
        last = {Errc::invalid_argument, "source dial to " + address + " is not allowed"};
        continue;
      }
      ErrorFlag ignored;
      socket_.close(ignored);
      Status waited = wait(options_.connect_timeout, "connecting",
                           [&](auto ended) { socket_.async_connect(endpoint, std::move(ended)); });
      if (waited && !failed_) return success();
      if (!waited && waited.error().code != Errc::unavailable)
        return out_of_reach(std::move(waited).error());
      last = out_of_reach(
          !waited ? std::move(waited).error()
                  : passing(fmt::format("connect to {}: {}", url_.host, failed_.message())));
    }
    return last;
  }

  template <class Stream>
  Result<DownloadAnswer> talk(Stream& stream) {
    namespace http = beast::http;
    http::request<http::empty_body> request(http::verb::get, url_.target, 11);
    request.set(http::field::host, url_.host_header());
    request.set(http::field::user_agent, "vibed-agent");
    request.set(http::field::accept, "*/*");
    request.set(http::field::connection, "close");
    Status sent = wait(options_.idle_timeout, "sending the request",
                       [&](auto ended) { http::async_write(stream, request, std::move(ended)); });
    if (!sent) return std::move(sent).error();
    if (failed_) return passing("send the request: " + failed_.message());
    std::optional<AnswerParser> parser;
    Status read = read_head(stream, parser);
    if (!read) return std::move(read).error();
    DownloadAnswer answer;
    answer.status = static_cast<int>(parser->get().result_int());
    answer.location = std::string(parser->get()[http::field::location]);
    Status taken = success();
    if (answer.status >= 200 && answer.status <= 299) taken = take_source(stream, *parser, answer);
    if (answer.status >= 400) taken = take_text(stream, *parser, answer);
    if (!taken) return std::move(taken).error();
    return answer;
  }

  template <class Stream>
  Status read_head(Stream& stream, std::optional<AnswerParser>& parser) {
    for (int i = 0; i < kMostInterim; ++i) {
      parser.emplace();
      parser->header_limit(kLongestHead);
      parser->body_limit(boost::none);
      Status waited = wait(options_.idle_timeout, "waiting for the answer", [&](auto ended) {
        beast::http::async_read_header(stream, buffer_, *parser, std::move(ended));
      });
      if (!waited) return waited;
      if (failed_) return read_error(failed_, "no answer");
      if (parser->get().result_int() >= 200) return success();
    }
    return passing("not an HTTP answer");
  }

  // The next piece of the body in chunk_; an empty one may come before the end.
  template <class Stream>
  Result<std::string_view> next(Stream& stream, AnswerParser& parser) {
    parser.get().body().data = chunk_.data();
    parser.get().body().size = chunk_.size();
    Status waited = wait(options_.idle_timeout, "waiting for more of the source", [&](auto ended) {
      beast::http::async_read_some(stream, buffer_, parser, std::move(ended));
    });
    if (!waited) return std::move(waited).error();
    if (failed_ && failed_ != beast::http::error::need_buffer)
      return read_error(failed_, "the answer was cut off");
    return std::string_view(chunk_.data(), chunk_.size() - parser.get().body().size);
  }

  template <class Stream>
  Status take_source(Stream& stream, AnswerParser& parser, DownloadAnswer& answer) {
    auto whole = parser.content_length();
    if (whole && *whole > options_.max_bytes) return too_large();
    while (!parser.is_done()) {
      auto piece = next(stream, parser);
      if (!piece && whole && piece.error().code == Errc::unavailable)
        return passing(
            fmt::format("the source was cut off at {} of {} bytes", answer.size, *whole));
      if (!piece) return std::move(piece).error();
      if (piece->size() > options_.max_bytes - answer.size) return too_large();
      Status kept = keep(*piece, answer.size);
      if (!kept) return kept;
      answer.size += piece->size();
    }
    return success();
  }

  // What an error says is good to have and no more.
  template <class Stream>
  Status take_text(Stream& stream, AnswerParser& parser, DownloadAnswer& answer) {
    while (!parser.is_done() && answer.text.size() < kLongestText) {
      auto piece = next(stream, parser);
      if (!piece && piece.error().code == Errc::cancelled) return std::move(piece).error();
      if (!piece) break;
      answer.text += *piece;
    }
    return success();
  }

  Error too_large() const {
    return make_error("payload_too_large",
                      fmt::format("fetch source: larger than {} bytes", options_.max_bytes));
  }

  Status keep(std::string_view piece, std::uint64_t at) const {
    while (!piece.empty()) {
      ssize_t written = ::pwrite(file_, piece.data(), piece.size(), static_cast<off_t>(at));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return errno_error("keep the source");
      piece.remove_prefix(static_cast<std::size_t>(written));
      at += static_cast<std::uint64_t>(written);
    }
    return success();
  }

  const SourceUrl& url_;
  const int file_;
  const DownloadOptions& options_;
  DownloadWaits waits_;
  Tcp::socket socket_;
  ErrorFlag failed_;
  beast::flat_buffer buffer_;
  std::array<char, 16 * 1024> chunk_;
};

}  // namespace

Result<DownloadAnswer> get(const SourceUrl& url, int file, const DownloadOptions& options,
                           std::chrono::steady_clock::time_point deadline) {
  return Exchange(url, file, options, deadline).run();
}

}  // namespace vibed::http
