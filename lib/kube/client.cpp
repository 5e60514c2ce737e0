#include "kube/client.hpp"

#include <algorithm>

#include "base/error_codes.hpp"
#include "kube/transport.hpp"

namespace vibed::kube {
namespace {

constexpr int kPagedTries = 3;
// A stream that the server should have ended is ended by us so much later.
constexpr std::chrono::seconds kGrace{15};

const char* content_type_of(PatchType type) {
  switch (type) {
    case PatchType::json: return "application/json-patch+json";
    case PatchType::merge: return "application/merge-patch+json";
    case PatchType::strategic: return "application/strategic-merge-patch+json";
  }
  return "";
}

template <class T>
std::string number(const std::optional<T>& value) {
  return value ? std::to_string(*value) : "";
}

const char* flag(bool value) { return value ? "true" : ""; }

class ApiClient final : public Client {
 public:
  explicit ApiClient(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}

  Result<Json> get(const Resource& resource, const ObjectKey& key, const std::string& subresource,
                   const Call& call) override {
    return object({.verb = "get",
                   .resource = resource,
                   .path = path_of(resource, key.space, key.name, subresource)},
                  call);
  }

  Result<List> list(const Resource& resource, const ListOptions& options) override {
    for (int tries = 1;; ++tries) {
      const bool paged = tries <= kPagedTries && options.page > 0;
      auto all = pages(resource, options, paged ? options.page : 0);
      if (all || !paged || all.error().reason != "watch_expired") return all;
    }
  }

  Result<Json> create(const Resource& resource, const Json& object,
                      const WriteOptions& options) override {
    const ObjectKey key = key_of(object);
    // A subresource is created of an object that is there: pods/eviction, serviceaccounts/token.
    const std::string name = options.subresource.empty() ? "" : key.name;
    return write({.verb = "create",
                  .resource = resource,
                  .method = "POST",
                  .path = path_of(resource, key.space, name, options.subresource),
                  .content_type = "application/json",
                  .body = to_text(object),
                  .twice = key.name.empty() ? Twice::unsafe : Twice::same},
                 options);
  }

  Result<Json> replace(const Resource& resource, const Json& object,
                       const WriteOptions& options) override {
    const ObjectKey key = key_of(object);
    return write({.verb = "update",
                  .resource = resource,
                  .method = "PUT",
                  .path = path_of(resource, key.space, key.name, options.subresource),
                  .content_type = "application/json",
                  .body = to_text(object)},
                 options);
  }

  Result<Json> apply(const Resource& resource, const Json& object,
                     const WriteOptions& options) override {
    const ObjectKey key = key_of(object);
    return write({.verb = "apply",
                  .resource = resource,
                  .method = "PATCH",
                  .path = path_of(resource, key.space, key.name, options.subresource),
                  // JSON is YAML, and this is the type that every server has had since 1.22.
                  .content_type = "application/apply-patch+yaml",
                  .body = to_text(object)},
                 options);
  }

  Result<Json> patch(const Resource& resource, const ObjectKey& key, PatchType type,
                     const Json& patch, const WriteOptions& options) override {
    return write({.verb = "patch",
                  .resource = resource,
                  .method = "PATCH",
                  .path = path_of(resource, key.space, key.name, options.subresource),
                  .content_type = content_type_of(type),
                  .body = to_text(patch),
                  // A JSON patch may add to a list.
                  .twice = type == PatchType::json ? Twice::unsafe : Twice::same},
                 options);
  }

  Status remove(const Resource& resource, const ObjectKey& key,
                const DeleteOptions& options) override {
    Json body = {{"apiVersion", "v1"},
                 {"kind", "DeleteOptions"},
                 {"propagationPolicy", options.propagation}};
    if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
    if (!options.version.empty()) body["preconditions"]["resourceVersion"] = options.version;
    if (options.grace_seconds) body["gracePeriodSeconds"] = *options.grace_seconds;
    auto answer = transport_->send({.verb = "delete",
                                    .resource = resource,
                                    .method = "DELETE",
                                    .path = path_of(resource, key.space, key.name),
                                    .content_type = "application/json",
                                    .body = to_text(body)},
                                   options.call);
    return answer ? success() : Status(answer.error());
  }

  Status logs(const ObjectKey& pod, const LogOptions& options, const ByteSink& sink) override {
    Query query;
    query.add("container", options.container)
        .add("follow", flag(options.follow))
        .add("previous", flag(options.previous))
        .add("timestamps", flag(options.timestamps))
        .add("tailLines", number(options.tail_lines))
        .add("sinceSeconds", number(options.since_seconds))
        .add("limitBytes", number(options.limit_bytes));
    Status taken = success();
    bool begun = false;
    ApiRequest request{.verb = "log", .resource = pods()};
    request.path = path_of(pods(), pod.space, pod.name, "log") + query.text();
    request.on_data = [&](std::string_view bytes) {
      begun = true;
      taken = sink(bytes);
      return taken.ok();
    };
    auto answer = transport_->send_once(request, options.call);
    if (!taken) return taken;
    if (!answer) return answer.error();
    if (!begun && answer->status != 200) {
      return to_error(parse_status(answer->status, answer->body, answer->header("Retry-After")));
    }
    return success();
  }

  WatchEnd watch(const Resource& resource, const WatchOptions& options,
                 const WatchParser::Sink& sink) override;

  Result<std::string> get_raw(const std::string& path, const Call& call) override {
    auto answer = transport_->send({.path = path}, call);
    if (!answer) return answer.error();
    return std::move(answer->body);
  }

  const std::string& default_space() const override { return transport_->access().space; }
  std::chrono::seconds clock_offset() const override { return transport_->clock_offset(); }

 private:
  Result<Json> object(const ApiRequest& request, const Call& call) {
    auto answer = transport_->send(request, call);
    if (!answer) return answer.error();
    auto object = parse_json(answer->body);
    if (!object) return std::move(object).error().during(request.method + " " + request.path);
    return object;
  }

  Result<Json> write(ApiRequest request, const WriteOptions& options) {
    Query query;
    const std::string& own = transport_->options().name;
    query.add("fieldManager", options.field_manager.empty() ? own : options.field_manager)
        .add("dryRun", options.dry_run ? "All" : "")
        .add("force", flag(options.force));
    request.path += query.text();
    return object(request, options.call);
  }

  // All pages of `page` objects each (0: one of everything); watch_expired when one is gone.
  Result<List> pages(const Resource& resource, const ListOptions& options, int page) {
    List all;
    std::string token;
    do {
      Query query;
      query.add("labelSelector", options.labels)
          .add("fieldSelector", options.fields)
          .add("limit", page > 0 ? std::to_string(page) : "")
          .add("continue", token);
      ApiRequest request{.verb = "list", .resource = resource};
      request.path = path_of(resource, options.space) + query.text();
      request.max_body_bytes = transport_->options().max_page_bytes;
      auto answer = object(request, options.call);
      if (!answer) return answer.error();
      auto& items = (*answer)["items"];
      if (!items.is_array()) return Error{Errc::unavailable, "not a list: " + request.path};
      for (Json& item : items) {
        // In lists the API server leaves out what the list says already.
        item["apiVersion"] = resource.api_version();
        item["kind"] = resource.kind;
        all.items.push_back(std::move(item));
      }
      all.version = version_of(*answer);
      token = text_at(*answer, {"metadata", "continue"});
    } while (!token.empty());
    if (all.version.empty()) return Error{Errc::unavailable, "a list without a resourceVersion"};
    return all;
  }

  std::unique_ptr<Transport> transport_;
};

WatchEnd ApiClient::watch(const Resource& resource, const WatchOptions& options,
                          const WatchParser::Sink& sink) {
  Query query;
  query.add("watch", "true")
      .add("allowWatchBookmarks", "true")
      .add("labelSelector", options.labels)
      .add("fieldSelector", options.fields)
      .add("resourceVersion", options.version)
      .add("timeoutSeconds", std::to_string(options.timeout.count()));
  WatchParser parser;
  WatchEnd end;
  const auto take = [&](WatchEvent event) {
    if (event.type != EventType::error) return sink(std::move(event));
    const ApiStatus status = status_of(event.object);
    end = {to_error(status), status.retry_after};
    return false;
  };
  ApiRequest request{.verb = "watch", .resource = resource};
  request.path = path_of(resource, options.space) + query.text();
  request.on_head = [&](int status) {
    if (status == 200 && options.on_open) options.on_open();
  };
  request.on_data = [&](std::string_view bytes) {
    auto more = parser.feed(bytes, take);
    if (!more) end.status = more.error();
    return more && *more;
  };
  auto answer = transport_->send_once(request, {options.timeout + kGrace, 1, options.stop});
  if (!end.status) return end;
  if (!answer) {
    end.status = answer.error();
  } else if (answer->status != 200) {
    const ApiStatus status =
        parse_status(answer->status, answer->body, answer->header("Retry-After"));
    end = {to_error(status), status.retry_after};
  }
  return end;
}

}  // namespace

Result<std::unique_ptr<Client>> open_client(Access access, ClientOptions options, Observe observe) {
  auto transport =
      std::make_unique<Transport>(std::move(access), std::move(options), std::move(observe));
  if (auto good = transport->check(); !good) return good.error();
  return std::unique_ptr<Client>(std::make_unique<ApiClient>(std::move(transport)));
}

}  // namespace vibed::kube
