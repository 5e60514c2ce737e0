// LocalWorld: a local pool with everything it needs, on a fake or the real agent.
#pragma once

#include <memory>
#include <string>

#include "sandbox/local_pool.hpp"
#include "support/temp_dir.hpp"

namespace vibed::sandbox {

// A store in which a key is its own source: open("listen") gives "listen".
std::unique_ptr<SourceStore> make_echo_store();

// A template that needs nothing but /usr.
Template plain_template(const std::string& name, int size);

// Why no sandbox can be made here; empty: one can.
std::string why_no_sandboxes();

// The path of a program of this build or of tests/sandbox.
std::string real_agent();
std::string fake_agent();

// Sends `text` to the unix socket at `path` and returns all that comes back; "refused" when nobody
// listens.
std::string talk(const std::string& path, const std::string& text);

struct LocalWorld {
  explicit LocalWorld(std::string agent = fake_agent(), int warm = 1);

  LocalPoolOptions options() const;
  // Opens the pool again, after it was stopped or abandoned.
  void open();
  std::string state(const std::string& id) const;  // text of its state.json; empty: none

  vibed::testing::TempDir data;
  std::unique_ptr<SourceStore> sources = make_echo_store();
  LocalPoolOptions base;
  std::unique_ptr<LocalPool> pool;
};

}  // namespace vibed::sandbox
