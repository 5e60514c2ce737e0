#include "kube/transport.hpp"

#include <cstdlib>
#include <random>

#include "base/log.hpp"
#include "fetch/sigv4.hpp"
#include "kube/clock.hpp"
#include "kube/pause.hpp"

namespace vibed::kube {
namespace {

using Steady = std::chrono::steady_clock;

double random_number() {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
}

ClientOptions completed(ClientOptions options) {
  if (!options.random) options.random = random_number;
  return options;
}

constexpr std::chrono::seconds kWorthALine{5};

bool is_good(int status) { return status >= 200 && status <= 299; }

// What is left of a call that may take `timeout` (0: any time).
class Budget {
 public:
  explicit Budget(std::chrono::milliseconds timeout)
      : endless_(timeout.count() == 0), end_(Steady::now() + timeout) {}

  bool covers(std::chrono::milliseconds delay) const {
    return endless_ || Steady::now() + delay < end_;
  }
  std::chrono::milliseconds left() const {
    if (endless_) return std::chrono::milliseconds{0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Steady::now());
    return std::max(left, std::chrono::milliseconds{1});
  }

 private:
  bool endless_;
  Steady::time_point end_;
};

}  // namespace

Transport::Transport(Access access, ClientOptions options, Observe observe)
    : access_(std::move(access)),
      options_(completed(std::move(options))),
      observe_(std::move(observe)),
      credentials_(access_),
      http_(fetch::make_client()) {}

Status Transport::check() {
  if (!access_.exec.empty()) return success();  // it may take its time, and be asked later
  auto pass = credentials_.pass();
  return pass ? success() : Status(pass.error());
}

Result<fetch::Response> Transport::attempt(const ApiRequest& request, const Pass& pass,
                                           const Call& call) {
  fetch::Request out;
  out.method = request.method;
  out.url = access_.server + request.path;
  out.headers = pass.headers;
  out.headers.emplace_back("Accept", "application/json");
  out.headers.emplace_back("User-Agent", options_.name);
  if (!request.content_type.empty()) out.headers.emplace_back("Content-Type", request.content_type);
  out.body = request.body;
  out.timeout = call.timeout;
  out.stop = call.stop;
  out.max_body_bytes =
      request.max_body_bytes != 0 ? request.max_body_bytes : options_.max_object_bytes;
  out.on_head = request.on_head;
  out.on_data = request.on_data;
  out.on_data_of_success = true;
  out.tls = pass.tls;
  out.proxy = access_.proxy;
  out.repeatable = request.twice == Twice::same;
  if (call.may_send && !call.may_send()) return Error{Errc::cancelled, "no longer wanted"};
  const auto from = Steady::now();
  const auto sent = std::chrono::system_clock::now();
  auto answer = http_->send(out);
  if (observe_) {
    const std::chrono::duration<double> took = Steady::now() - from;
    observe_(request.verb, request.resource, answer ? answer->status : 0, took.count());
  }
  // A stream's Date is of its beginning, which may have been long ago.
  if (answer && !request.on_data) {
    const auto date = fetch::parse_http_date(answer->header("Date"));
    if (date) note_clock(kube::clock_offset(*date, sent, std::chrono::system_clock::now()).count());
  }
  return answer;
}

void Transport::note_clock(std::int64_t offset) {
  const std::int64_t before = clock_offset_.exchange(offset);
  if (std::abs(offset - before) < kWorthALine.count()) return;
  log::warn("this machine's clock differs from the API server's, whose time is used for claims",
            {{"seconds", std::to_string(offset)}});
}

Result<fetch::Response> Transport::send_once(const ApiRequest& request, const Call& call) {
  auto pass = credentials_.pass();
  if (!pass) return pass.error();
  auto answer = attempt(request, *pass, call);
  if (!answer || answer->status != 401 || !credentials_.renew(*pass)) return answer;
  pass = credentials_.pass();
  if (!pass) return pass.error();
  return attempt(request, *pass, call);
}

Result<fetch::Response> Transport::send(const ApiRequest& request, const Call& call) {
  const Budget budget(call.timeout);
  for (Failure failure{.most = call.attempts, .twice = request.twice};; ++failure.number) {
    auto answer = send_once(request, {budget.left(), 1, call.stop, call.may_send});
    if (answer && is_good(answer->status)) return answer;
    failure.status = answer ? answer->status : 0;
    failure.retry_after.reset();
    Result<fetch::Response> result = answer;
    if (answer) {
      const ApiStatus status =
          parse_status(answer->status, answer->body, answer->header("Retry-After"));
      failure.retry_after = status.retry_after;
      result = to_error(status);
    } else {
      failure.error = answer.error().code;
    }
    const auto delay = delay_after(failure, options_.random());
    if (!delay || !budget.covers(*delay)) return result;
    if (!pause(call.stop, *delay)) return Error{Errc::cancelled, "stopped"};
  }
}

}  // namespace vibed::kube
