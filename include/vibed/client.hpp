// Client: the /v1 API from outside, as the command line uses it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "vibed/export.hpp"
#include "vibed/result.hpp"
#include "vibed/stream.hpp"

namespace vibed {

struct ClientOptions {
  std::string url = "http://127.0.0.1:8080";
  std::string token = {};  // sent as a bearer token when not empty
};

// What happens to a deploy, as it happens.
struct DeployProgress {
  enum class Stage { packing, uploading, waiting, phase } stage = Stage::packing;
  std::uint64_t done = 0;  // bytes
  std::uint64_t total = 0;
  std::string phase;  // of the app: "Starting"; "Waiting" while the server does not answer
  std::string message;
};

struct DeployRequest {
  std::string path;           // a folder, or a .tgz file
  std::string metadata_json;  // with "name"
  std::function<void(const DeployProgress&)> progress = {};
};

// All methods block, may be called from any thread at once, and end with `cancelled` when `stop` is
// requested. An error answer of the server becomes an Error with its code as reason.
class VIBED_EXPORT Client {
 public:
  virtual ~Client() = default;

  // Packs, uploads and follows until the app is Ready or Failed or `deadline` has passed. Returns
  // the app's JSON as last seen. A server that is restarted meanwhile is waited for, for 30 s at
  // most; if it went during the upload the deploy is made once more, so there may be one version
  // too many.
  virtual Result<std::string> deploy(const DeployRequest& request, std::chrono::seconds deadline,
                                     std::stop_token stop) = 0;

  // One call of the API: method, "/v1/apps/x", JSON body or "". Returns the answer's body.
  virtual Result<std::string> call(const std::string& method, const std::string& path,
                                   const std::string& body, std::stop_token stop) = 0;

  // The log lines of an app; `on_line` returns false to end. Follows over reconnects when `follow`.
  virtual Status logs(const std::string& app, bool follow,
                      const std::function<bool(std::string_view line)>& on_line,
                      std::stop_token stop) = 0;
};

VIBED_EXPORT std::unique_ptr<Client> make_client(ClientOptions options);

}  // namespace vibed
