#include "kube/fake_api.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "http/wire.hpp"
#include "kube/fake_watch.hpp"

namespace vibed::testing {

namespace {

http::Response json(int status, const Json& body) {
  return http::json_response(status, kube::to_text(body));
}

http::Response refuse(const Refusal& refusal) { return json(refusal.code, refusal.body()); }

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t from = 1; from <= path.size();) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    parts.push_back(path.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

// A connection that ends before its answer is there.
http::Response broken(const std::string& part = "") {
  http::Response response;
  response.headers.set("Content-Type", "application/json");
  response.stream_length = part.size() + 1000;
  response.stream = [part](http::ResponseWriter& out) { out.write(part); };
  return response;
}

}  // namespace

FakeApi::FakeApi() {
  http::Router router;
  router.add("*", "/{path...}", [this](http::Request& request) { return answer(request); });
  auto server = http::start_server("127.0.0.1:0", std::move(router));
  if (!server) throw std::runtime_error(server.error().message);
  server_ = std::move(*server);
}

FakeApi::~FakeApi() {
  {
    const std::lock_guard lock(mutex_);
    ++epoch_;
    changed_.notify_all();
  }
  server_.reset();
}

kube::Access FakeApi::access() const {
  kube::Access access;
  access.server = "http://" + server_->address();
  return access;
}

void FakeApi::heal() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

bool FakeApi::take_fault(const http::Request& request, Fault& fault) {
  for (auto at = faults_.begin(); at != faults_.end(); ++at) {
    if (!at->method.empty() && at->method != request.method) continue;
    if (request.target.find(at->path) == std::string::npos) continue;
    fault = *at;
    if (--at->times <= 0) faults_.erase(at);
    return true;
  }
  return false;
}

http::Response FakeApi::answer(http::Request& request) {
  std::function<void(const http::Request&)> hook;
  Fault fault;
  bool faulty = false;
  {
    const std::lock_guard lock(mutex_);
    hook = hook_;
    seen_.push_back(request.method + " " + request.target);
    changed_.notify_all();
    faulty = take_fault(request, fault);
  }
  if (hook) hook(request);
  if (faulty && fault.what == Fault::What::drop) return broken();
  if (faulty && fault.what == Fault::What::refuse) {
    auto response = refuse(fault.refusal);
    const std::string seconds = std::to_string(fault.retry_after);
    if (fault.retry_after > 0) response.headers.set("Retry-After", seconds);
    return response;
  }
  if (faulty) request.query["fault"] = std::to_string(static_cast<int>(fault.what));
  const std::lock_guard lock(mutex_);
  const std::string given(request.headers.get("Authorization"));
  const auto is_given = [&](const auto& token) { return given == "Bearer " + token; };
  if (!tokens_.empty() && std::none_of(tokens_.begin(), tokens_.end(), is_given)) {
    return refuse({401, "Unauthorized", "Unauthorized", {}});
  }
  auto response = route(request);
  response.headers.set("Date", http::http_date(std::chrono::system_clock::to_time_t(store_.now())));
  if (faulty && fault.what == Fault::What::lose_answer) return broken();
  if (faulty && fault.what == Fault::What::garbage) return http::json_response(200, "{\"kind\":");
  return response;
}

http::Response FakeApi::route(http::Request& request) {
  const std::vector<std::string> parts = parts_of(request.path);
  const std::size_t head = parts[0] == "api" ? 2 : 3;
  if (parts.size() <= head) return json(200, {{"gitVersion", "v1.36.0-fake"}});
  Route route;
  const std::string group = head == 2 ? "" : parts[1];
  route.api_version = head == 2 ? parts[1] : group + "/" + parts[2];
  std::size_t at = head;
  if (parts[at] == "namespaces" && parts.size() > at + 2) {
    route.key.space = parts[at + 1];
    at += 2;
  }
  route.type = group + "/" + parts[at];
  if (parts.size() > at + 1) route.key.name = parts[at + 1];
  if (parts.size() > at + 2) route.subresource = parts[at + 2];
  return handle(route, request);
}

http::Response FakeApi::handle(const Route& route, http::Request& request) {
  if (route.type.starts_with("unknown.example/")) {
    return refuse({404, "NotFound", "the server could not find the requested resource", {}});
  }
  if (request.method == "GET" && route.key.name.empty()) {
    return query_of(request, "watch") == "true" ? watch(route, request) : list(route, request);
  }
  if (request.method != "GET") return write(route, request);
  const Json* object = store_.find(route.type, route.key);
  if (object == nullptr) {
    return refuse(store_.remove(route.type, route.key, {}).refusal);  // says what is missing
  }
  if (route.subresource == "log") {
    http::Response response;
    response.headers.set("Content-Type", "text/plain");
    response.body = log_;
    return response;
  }
  if (route.subresource == "scale") {
    return json(200, {{"kind", "Scale"},
                      {"metadata", (*object)["metadata"]},
                      {"spec", {{"replicas", kube::find(*object, {"spec", "replicas"})}}}});
  }
  return json(200, *object);
}

http::Response FakeApi::write(const Route& route, http::Request& request) {
  Json body = Json::parse(request.body, nullptr, false);
  if (request.method == "PATCH") return patch(route, request);
  if (body.is_discarded()) return refuse({400, "BadRequest", "not JSON", {}});
  Written written;
  if (request.method == "DELETE") {
    const Json& wanted = kube::find(body, {"preconditions"});
    written =
        store_.remove(route.type, route.key,
                      {kube::text_at(wanted, {"uid"}), kube::text_at(wanted, {"resourceVersion"})});
  } else {
    if (!route.key.space.empty()) body["metadata"]["namespace"] = route.key.space;
    body["apiVersion"] = route.api_version;
    const bool dry = query_of(request, "dryRun") == "All";
    const auto before = dry ? std::make_unique<FakeStore>(store_) : nullptr;
    written = request.method == "POST" ? store_.create(route.type, body)
                                       : store_.replace(route.type, body, route.subresource);
    if (dry) store_ = *before;
  }
  changed_.notify_all();
  if (written.refusal.code != 200) return refuse(written.refusal);
  return json(request.method == "POST" ? 201 : 200, written.object);
}

http::Response FakeApi::patch(const Route& route, http::Request& request) {
  const std::string type(request.headers.get("Content-Type"));
  const Json body = Json::parse(request.body);
  Written written;
  if (type == "application/apply-patch+yaml") {
    written = store_.apply(route.type, body, query_of(request, "fieldManager"),
                           query_of(request, "force") == "true", route.subresource);
  } else {
    const Json* current = store_.find(route.type, route.key);
    if (current == nullptr) return refuse(store_.remove(route.type, route.key, {}).refusal);
    Json next = *current;
    try {
      if (type == "application/json-patch+json") next = next.patch(body);
    } catch (const std::exception& error) {
      return refuse({422, "Invalid", error.what(), {{"name", route.key.name}}});
    }
    if (type != "application/json-patch+json") next.merge_patch(body);
    if (type == "application/json-patch+json" ||
        !kube::find(body, {"metadata", "resourceVersion"}).is_string()) {
      next["metadata"]["resourceVersion"] = (*current)["metadata"]["resourceVersion"];
    }
    written =
        store_.replace(route.type, next, route.subresource == "scale" ? "" : route.subresource);
  }
  changed_.notify_all();
  return written.refusal.code != 200 ? refuse(written.refusal) : json(200, written.object);
}

http::Response FakeApi::list(const Route& route, http::Request& request) {
  const Watch selection = watch_of(route, request);
  const std::string token = query_of(request, "continue");
  std::uint64_t version = store_.version();
  std::string after;
  if (!token.empty()) {
    version = std::stoull(token);
    after = token.substr(token.find(':') + 1);
    if (version < store_.forgotten()) {
      return refuse({410, "Expired", "The provided continue parameter is too old", {}});
    }
  }
  const std::string limit = query_of(request, "limit");
  const std::size_t most = limit.empty() ? SIZE_MAX : std::stoul(limit);
  Json items = Json::array();
  Json metadata = {{"resourceVersion", std::to_string(version)}};
  for (Json& object : store_.all(route.type)) {
    const std::string key = kube::key_of(object).text();
    if (!selection.selects(object) || (!after.empty() && key <= after)) continue;
    if (items.size() == most) {
      metadata["continue"] = std::to_string(version) + ":" + kube::key_of(items.back()).text();
      break;
    }
    items.push_back(std::move(object));
  }
  for (Json& item : items) {
    item.erase("kind");
    item.erase("apiVersion");
  }
  return json(200, {{"kind", "List"}, {"metadata", metadata}, {"items", items}});
}

}  // namespace vibed::testing
