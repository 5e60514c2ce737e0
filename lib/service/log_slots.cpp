#include "service/log_slots.hpp"

#include "base/error_codes.hpp"

namespace vibed {

// A stream and the slot it holds.
class LogSlots::Held final : public LogStream {
 public:
  Held(std::shared_ptr<LogSlots> slots, std::string user)
      : slots_(std::move(slots)), user_(std::move(user)) {}
  ~Held() override {
    stream_ = nullptr;
    slots_->give_back(user_);
  }

  void hold(std::unique_ptr<LogStream> stream) { stream_ = std::move(stream); }

  Result<std::optional<LogLine>> next(std::stop_token stop,
                                      std::chrono::steady_clock::time_point deadline) override {
    return stream_->next(std::move(stop), deadline);
  }

 private:
  std::shared_ptr<LogSlots> slots_;  // a stream may outlive the service
  std::string user_;
  std::unique_ptr<LogStream> stream_;
};

Result<std::unique_ptr<LogStream>> LogSlots::open(
    const std::string& user, const std::function<Result<std::unique_ptr<LogStream>>()>& open) {
  if (Status taken = take(user); !taken) return std::move(taken).error();
  auto held = std::make_unique<Held>(shared_from_this(), user);
  auto stream = open();
  if (!stream) return stream;
  held->hold(*std::move(stream));
  return std::unique_ptr<LogStream>(std::move(held));
}

Status LogSlots::take(const std::string& user) {
  std::lock_guard lock(mutex_);
  if (taken_ >= all_) {
    return make_error("too_many_log_streams",
                      "all " + std::to_string(all_) + " log streams are in use");
  }
  auto at = taken_by_.find(user);
  if (at != taken_by_.end() ? at->second >= per_user_ : per_user_ <= 0) {
    return make_error("too_many_log_streams",
                      "you have " + std::to_string(per_user_) + " log streams open already");
  }
  ++taken_;
  ++taken_by_[user];
  return success();
}

void LogSlots::give_back(const std::string& user) {
  std::lock_guard lock(mutex_);
  --taken_;
  auto at = taken_by_.find(user);
  if (--at->second == 0) taken_by_.erase(at);
}

}  // namespace vibed
