// A SandboxPool without sandboxes: a test says what becomes of each injection and breaks what it
// likes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vibed/sandbox_pool.hpp"

namespace vibed::sandbox {

// What becomes of an injection, or of a boot.
struct Behaviour {
  enum class Kind {
    listening,
    failed,  // with reason, message, log_tail
    never,   // stays starting until MemoryPool::finish
  };
  Kind kind = Kind::listening;
  std::chrono::milliseconds delay{0};  // until it does; 0: at once, on a thread of the pool
  std::string reason = "AppExited";
  std::string message = "the app exited with status 1 before it listened";
  std::vector<std::string> log_tail = {"boom"};
  int port = 8080;
  // A claim is bound after this; 0: in the claim itself, less: only by MemoryPool::bind.
  std::chrono::milliseconds boot{0};
};

struct MemoryPoolOptions {
  std::vector<TemplateStatus> templates;               // empty: the usual six, available
  std::size_t capacity = 1000;                         // claimed sandboxes; more are pool_exhausted
  std::string upstream_prefix = "unix//memory/apps/";  // + label + ".sock"
  SourceStore* sources = nullptr;  // set: an injection whose source is not there is InjectFailed
};

// All methods may be called from any thread at once.
class MemoryPool : public SandboxPool {
 public:
  // For injections from now on: of that app, of everybody else.
  virtual void script(const std::string& app, Behaviour behaviour) = 0;
  virtual void script_default(Behaviour behaviour) = 0;

  // The next `times` calls of that method fail with `error` and change nothing.
  virtual void fail_claims(Error error, int times = 1) = 0;
  virtual void fail_injects(Error error, int times = 1) = 0;
  virtual void fail_exposes(Error error, int times = 1) = 0;
  virtual void fail_releases(Error error, int times = 1) = 0;

  // While on, changes happen and nobody is told.
  virtual void drop_notifications(bool on) = 0;
  // Tells the subscriber that `app` changed though it did not.
  virtual void notify(const std::string& app) = 0;

  // Makes a pending sandbox bound; ends a starting one as `behaviour` says, at once; makes a
  // listening app fail (CrashLoop) or its sandbox gone. Of an unknown id: nothing.
  virtual void bind(const std::string& id) = 0;
  virtual void finish(const std::string& id, Behaviour behaviour) = 0;
  virtual void crash(const std::string& id) = 0;
  virtual void kill(const std::string& id) = 0;

  virtual void log(const std::string& id, LogLine line) = 0;

  // Sandboxes that run: claimed, not gone, not released. What a leak check counts.
  virtual std::vector<Sandbox> alive() = 0;
  // The sandbox `label` leads to; empty: none.
  virtual std::string exposed(const std::string& label) = 0;
  // What was injected into `id`; an empty source if nothing.
  virtual Injection injected(const std::string& id) = 0;
  // "claim web 2 sb-3", "inject sb-3", "expose <label> sb-3", "release sb-2": each call that did
  // something, in order.
  virtual std::vector<std::string> journal() = 0;
};

std::unique_ptr<MemoryPool> make_memory_sandbox_pool(MemoryPoolOptions options = {});

}  // namespace vibed::sandbox
