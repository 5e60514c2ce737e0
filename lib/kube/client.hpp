// Client: the API of Kubernetes. Objects are JSON; failures are errors that say what to do.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "kube/access.hpp"
#include "kube/resource.hpp"
#include "kube/watch.hpp"
#include "vibed/stream.hpp"

namespace vibed::kube {

// How long a call may take, retries included, how many of them there may be, and what ends it
// early.
struct Call {
  std::chrono::milliseconds timeout{30'000};
  int attempts = 10;  // 1: the caller repeats it himself
  std::stop_token stop = {};
  // Asked at the last moment before each attempt, if set; false ends the call with `cancelled`.
  std::function<bool()> may_send = {};
};

struct ListOptions {
  std::string space = {};   // empty: all namespaces
  std::string labels = {};  // "app=web,tier in (a, b)"
  std::string fields = {};  // "metadata.name=web"
  int page = 500;           // objects an answer
  Call call = {};
};

struct List {
  std::string version;  // to watch from
  std::vector<Json> items;
};

struct WriteOptions {
  std::string subresource = {};    // "status", "scale"
  std::string field_manager = {};  // empty: the client's
  bool dry_run = false;
  bool force = false;  // of apply(): takes fields away from other managers
  Call call = {};
};

struct DeleteOptions {
  std::string uid = {};                    // `conflict` if the object is another one
  std::string version = {};                // `conflict` if it was changed since
  std::string propagation = "Background";  // or "Foreground", "Orphan"
  std::optional<int> grace_seconds = {};
  Call call = {};
};

enum class PatchType { json, merge, strategic };

struct LogOptions {
  std::string container = {};
  bool follow = false;
  bool previous = false;    // of the container before this one
  bool timestamps = false;  // in front of each line
  std::optional<int> tail_lines = {};
  std::optional<int> since_seconds = {};
  std::optional<std::int64_t> limit_bytes = {};
  // Following, without a timeout unless one is wanted.
  Call call = {.timeout = std::chrono::milliseconds{0}};
};

struct WatchOptions {
  std::string space = {};
  std::string labels = {};
  std::string fields = {};
  std::string version = {};           // the last one seen; events after it
  std::chrono::seconds timeout{300};  // after which the server ends the stream
  std::stop_token stop = {};
  std::function<void()> on_open = {};  // called once the server has taken the watch
};

// Why a watch came to its end.
struct WatchEnd {
  // Success: the time was up, or the sink had enough. watch_expired: list again. Else as any call.
  Status status = success();
  std::optional<std::chrono::milliseconds> retry_after = {};
};

struct ClientOptions {
  std::string name = "vibed";  // user agent and field manager
  // From 0 to 1, for jitter. Any thread.
  std::function<double()> random = {};
  std::size_t max_object_bytes = 8 * 1024 * 1024;
  std::size_t max_page_bytes = 128 * 1024 * 1024;
};

// What went over the wire, for metrics: verb and plural of each attempt, the status or 0, seconds.
using Observe = std::function<void(const char*, const Resource&, int, double)>;

// All methods may be called from any thread at once.
//
// Refused or failed attempts are repeated with backoff and jitter within Call::timeout: those that
// the server has turned away (429, 5xx with Retry-After) always, others where sending twice does
// what sending once does. That is so of everything but create() under a generated name and JSON
// patches; after an answer that got lost, a create() may therefore say already_exists and a
// replace() conflict of what it has done itself.
//
// Errors: not_found, already_exists, conflict, permission_denied, unauthenticated, unavailable,
// deadline_exceeded, cancelled, invalid_argument, resource_exhausted, and the words of to_error().
class Client {
 public:
  virtual ~Client() = default;

  virtual Result<Json> get(const Resource& resource, const ObjectKey& key,
                           const std::string& subresource = {}, const Call& call = {}) = 0;

  // All objects, page by page. When the pages are no longer to be had (410) it begins again, at
  // last with one page of everything.
  virtual Result<List> list(const Resource& resource, const ListOptions& options = {}) = 0;

  // Namespace and name are the object's own.
  virtual Result<Json> create(const Resource& resource, const Json& object,
                              const WriteOptions& options = {}) = 0;

  // With a resourceVersion in `object` a `conflict` if it is not the newest.
  virtual Result<Json> replace(const Resource& resource, const Json& object,
                               const WriteOptions& options = {}) = 0;

  // Server-side apply: the fields of `object` become as they are there and this manager's. A
  // `conflict` names the managers of fields that it would have to take away.
  virtual Result<Json> apply(const Resource& resource, const Json& object,
                             const WriteOptions& options = {}) = 0;

  virtual Result<Json> patch(const Resource& resource, const ObjectKey& key, PatchType type,
                             const Json& patch, const WriteOptions& options = {}) = 0;

  // Asks for the deletion, which finalizers may put off. `not_found` when there is nothing.
  virtual Status remove(const Resource& resource, const ObjectKey& key,
                        const DeleteOptions& options = {}) = 0;

  // The log of a pod's container, piece by piece; an error of `sink` ends it and is returned.
  virtual Status logs(const ObjectKey& pod, const LogOptions& options, const ByteSink& sink) = 0;

  // Events after options.version, in order, until something ends them. One attempt, on a connection
  // of its own; bookmarks are asked for.
  virtual WatchEnd watch(const Resource& resource, const WatchOptions& options,
                         const WatchParser::Sink& sink) = 0;

  // The body of a GET of any path: "/version", "/readyz".
  virtual Result<std::string> get_raw(const std::string& path, const Call& call = {}) = 0;

  // The namespace that the context or the pod is in.
  virtual const std::string& default_space() const = 0;

  // How far the API server's clock is ahead of this machine's, as its last answer told; 0 before
  // the first, and for what may as well be rounding.
  virtual std::chrono::seconds clock_offset() const = 0;
};

// Contacts nobody yet. `bad_kubeconfig` for files that cannot be read.
Result<std::unique_ptr<Client>> open_client(Access access, ClientOptions options = {},
                                            Observe observe = {});

}  // namespace vibed::kube
