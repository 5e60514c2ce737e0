// Credentials: what a request needs to be let in, kept fresh.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fetch/fetch.hpp"
#include "kube/access.hpp"
#include "kube/exec_plugin.hpp"

namespace vibed::kube {

// A file whose text is read again when the file was replaced or written.
class RotatingFile {
 public:
  explicit RotatingFile(std::string path) : path_(std::move(path)) {}

  // Errors begin with the path. A file that cannot be read just now gives what it held last.
  Result<std::string> read();

 private:
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = -1;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };

  std::string path_;
  Identity seen_;
  std::optional<std::string> text_;
};

// What goes into one request.
struct Pass {
  std::shared_ptr<const fetch::Tls> tls;  // the same object until something changes
  std::vector<std::pair<std::string, std::string>> headers;
};

// All methods may be called from any thread at once; while a plug-in runs the others wait for it,
// as they need what it is about to say.
class Credentials {
 public:
  using Now = std::function<std::chrono::system_clock::time_point()>;
  explicit Credentials(Access access, Now now = std::chrono::system_clock::now);

  // Files are read again if they changed, a plug-in runs again when what it gave has expired.
  Result<Pass> pass();

  // The server turned the last pass away (401): a plug-in runs again for the next one, unless it
  // has since. False: nothing that is done here gives another pass.
  bool renew(const Pass& refused);

 private:
  Result<std::string> text_of(const Given& given, std::optional<RotatingFile>& file);
  Result<fetch::Tls> tls_now();
  Result<std::string> authorization();
  Status run_plugin(const std::string& authorities);
  bool is_stale() const;

  const Access access_;
  const Now now_;
  std::mutex mutex_;
  std::optional<RotatingFile> authorities_;  // all below guarded by mutex_
  std::optional<RotatingFile> certificate_;
  std::optional<RotatingFile> key_;
  std::optional<RotatingFile> token_;
  std::optional<Credential> plugin_;
  std::shared_ptr<const fetch::Tls> tls_;
};

}  // namespace vibed::kube
