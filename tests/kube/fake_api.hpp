// FakeApi: an API server in this process that can be told to fail in every way that a real one may.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "http/server.hpp"
#include "kube/access.hpp"
#include "kube/fake_store.hpp"
#include "kube/resource.hpp"

namespace vibed::testing {

// What happens to requests instead of, or beside, what they ask for.
struct Fault {
  enum class What {
    refuse,        // answered with `status`, nothing is done
    drop,          // the connection ends without an answer, nothing is done
    lose_answer,   // it is done, and the connection ends without an answer
    garbage,       // it is done, and the answer is no JSON
    cut_event,     // of a watch: the connection ends in the middle of its first event
    twice,         // of a watch: each event comes twice
    swapped,       // of a watch: the first two events come in the wrong order
    expired_event  // of a watch: its first event is an ERROR 410
  };
  What what = What::refuse;
  int times = 1;            // how many requests it hits
  std::string method = {};  // empty: any
  std::string path = {};    // a part of the target; empty: any
  Refusal refusal = {503, "ServiceUnavailable", "not now", {}};
  int retry_after = 0;  // seconds, 0: not said
};

// Any thread.
class FakeApi {
 public:
  FakeApi();
  ~FakeApi();

  // Plain HTTP and no credentials, until tokens are asked for.
  kube::Access access() const;
  void accept_tokens(std::vector<std::string> tokens);

  void inject(Fault fault);
  void heal();  // no more faults
  // Runs before each request is looked at; may block, which delays it.
  void before_each(std::function<void(const http::Request&)> hook);

  // As somebody else would. Fails the test if refused.
  Json create(const kube::Resource& resource, Json object);
  Json replace(const kube::Resource& resource, Json object);
  void remove(const kube::Resource& resource, const ObjectKey& key);
  Json get(const kube::Resource& resource, const ObjectKey& key);  // null: there is none

  void expire();          // all older versions are gone: 410
  void end_watches();     // all that are open, without an error
  void send_bookmarks();  // to all open watches; returns when they are on their way
  void set_log(std::string text);
  // Its clock is so far ahead of everybody else's.
  void set_clock(std::chrono::seconds offset);

  // Requests so far whose "METHOD target" contains `part`.
  int requests(const std::string& part) const;
  // Waits until there is an open watch whose target contains `part`.
  void wait_for_watch(const std::string& part);
  // Waits until there are `count` such requests.
  void wait_for_requests(const std::string& part, int count);

 private:
  struct Route;
  struct Watch;
  http::Response answer(http::Request& request);
  http::Response route(http::Request& request);
  http::Response handle(const Route& route, http::Request& request);
  http::Response write(const Route& route, http::Request& request);
  http::Response patch(const Route& route, http::Request& request);
  http::Response list(const Route& route, http::Request& request);
  http::Response watch(const Route& route, http::Request& request);
  static Watch watch_of(const Route& route, const http::Request& request);
  std::vector<std::string> pending(Watch& watch) const;
  static std::string spoiled(Watch& watch, std::vector<std::string> lines);
  void stream(Watch& watch, http::ResponseWriter& out);
  bool take_fault(const http::Request& request, Fault& fault);

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  FakeStore store_;  // all guarded by mutex_
  std::vector<Fault> faults_;
  std::vector<std::string> tokens_;
  std::vector<std::string> seen_;
  std::vector<std::string> watching_;
  std::string log_ = "hello\n";
  std::uint64_t epoch_ = 0;      // watches of an older one end
  std::size_t bookmarked_ = 0;   // watches that have sent the last one
  std::uint64_t bookmarks_ = 0;  // how many were asked for
  std::function<void(const http::Request&)> hook_;
  std::unique_ptr<http::Server> server_;  // last: it ends before what it uses
};

}  // namespace vibed::testing
