#include "control/fenced_client.hpp"

#include <utility>

namespace vibed::control {
namespace {

using kube::Json;
using kube::ObjectKey;
using kube::Resource;

// Requested when one of two others is.
class EitherStop {
 public:
  EitherStop(const std::stop_token& a, const std::stop_token& b)
      : on_a_(a, Request{&source_}), on_b_(b, Request{&source_}) {}

  std::stop_token token() const { return source_.get_token(); }

 private:
  struct Request {
    std::stop_source* source;
    void operator()() const { source->request_stop(); }
  };

  std::stop_source source_;
  std::stop_callback<Request> on_a_;
  std::stop_callback<Request> on_b_;
};

class FencedClient final : public kube::Client {
 public:
  FencedClient(kube::Client& client, Fence fence) : client_(client), fence_(std::move(fence)) {}

  Result<Json> get(const Resource& resource, const ObjectKey& key, const std::string& subresource,
                   const kube::Call& call) override {
    const EitherStop stop(call.stop, fence_.lost);
    return client_.get(resource, key, subresource, ended_by(call, stop));
  }

  Result<kube::List> list(const Resource& resource, const kube::ListOptions& options) override {
    const EitherStop stop(options.call.stop, fence_.lost);
    kube::ListOptions inner = options;
    inner.call = ended_by(options.call, stop);
    return client_.list(resource, inner);
  }

  Result<Json> create(const Resource& resource, const Json& object,
                      const kube::WriteOptions& options) override {
    return write(options,
                 [&](const auto& inner) { return client_.create(resource, object, inner); });
  }

  Result<Json> replace(const Resource& resource, const Json& object,
                       const kube::WriteOptions& options) override {
    return write(options,
                 [&](const auto& inner) { return client_.replace(resource, object, inner); });
  }

  Result<Json> apply(const Resource& resource, const Json& object,
                     const kube::WriteOptions& options) override {
    return write(options,
                 [&](const auto& inner) { return client_.apply(resource, object, inner); });
  }

  Result<Json> patch(const Resource& resource, const ObjectKey& key, kube::PatchType type,
                     const Json& patch, const kube::WriteOptions& options) override {
    return write(options, [&](const auto& inner) {
      return client_.patch(resource, key, type, patch, inner);
    });
  }

  Status remove(const Resource& resource, const ObjectKey& key,
                const kube::DeleteOptions& options) override {
    return write(options, [&](const auto& inner) { return client_.remove(resource, key, inner); });
  }

  Status logs(const ObjectKey& pod, const kube::LogOptions& options,
              const ByteSink& sink) override {
    const EitherStop stop(options.call.stop, fence_.lost);
    kube::LogOptions inner = options;
    inner.call = ended_by(options.call, stop);
    return client_.logs(pod, inner, sink);
  }

  kube::WatchEnd watch(const Resource& resource, const kube::WatchOptions& options,
                       const kube::WatchParser::Sink& sink) override {
    const EitherStop stop(options.stop, fence_.lost);
    kube::WatchOptions inner = options;
    inner.stop = stop.token();
    return client_.watch(resource, inner, sink);
  }

  Result<std::string> get_raw(const std::string& path, const kube::Call& call) override {
    const EitherStop stop(call.stop, fence_.lost);
    return client_.get_raw(path, ended_by(call, stop));
  }

  const std::string& default_space() const override { return client_.default_space(); }
  std::chrono::seconds clock_offset() const override { return client_.clock_offset(); }

 private:
  static kube::Call ended_by(kube::Call call, const EitherStop& stop) {
    call.stop = stop.token();
    return call;
  }

  bool may_write() const { return !fence_.lost.stop_requested() && fence_.leads(); }

  template <class Options, class Send>
  auto write(const Options& options, const Send& send) -> decltype(send(options)) {
    const EitherStop stop(options.call.stop, fence_.lost);
    Options inner = options;
    inner.call = ended_by(options.call, stop);
    inner.call.may_send = [this, also = options.call.may_send] {
      return may_write() && (!also || also());
    };
    return send(inner);
  }

  kube::Client& client_;
  const Fence fence_;
};

}  // namespace

std::unique_ptr<kube::Client> make_fenced_client(kube::Client& client, Fence fence) {
  return std::make_unique<FencedClient>(client, std::move(fence));
}

}  // namespace vibed::control
