#include "sandbox/share.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <map>

#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"

namespace vibed::sandbox {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxAgentBytes = 512U * 1024 * 1024;
constexpr std::size_t kMaxCopyBytes = 8U * 1024 * 1024;

// Without these `localhost`, getpwuid and name look-ups fail, or wait for a server there is not.
const std::map<std::string, std::string> kWritten = {
    {"passwd",
     "root:x:0:0:root:/root:/usr/sbin/nologin\n"
     "app:x:1000:1000:app:/workspace:/bin/sh\n"
     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
    {"group", "root:x:0:\napp:x:1000:\nnogroup:x:65534:\n"},
    {"hosts", "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost ip6-loopback\n"},
    {"hostname", "sandbox\n"},
    {"nsswitch.conf",
     "passwd: files\ngroup: files\nshadow: files\nhosts: files\nnetworks: files\n"
     "protocols: files\nservices: files\n"},
    {"resolv.conf", "# No name service: a sandbox has no network.\noptions timeout:1 attempts:1\n"},
    {"host.conf", "multi on\n"},
    {"shells", "/bin/sh\n"},
};

// Copied from the host where it has them.
constexpr const char* kCopied[] = {
    "mime.types", "localtime",  "timezone",       "ld.so.cache",     "services",        "protocols",
    "rpc",        "os-release", "debian_version", "ssl/openssl.cnf", "nginx/mime.types"};

// Mounted from the host: links and certificates, too many to copy.
constexpr const char* kMounted[] = {"ssl/certs", "pki/tls/certs", "ca-certificates",
                                    "alternatives"};

Status put(const std::string& path, std::string_view bytes, unsigned mode) {
  auto made = make_directories(fs::path(path).parent_path().string());
  if (!made) return made;
  auto written = write_file(path, bytes, Durability::unsynced, mode);
  if (!written) return written;
  // The umask may have taken away what other uids need.
  if (::chmod(path.c_str(), mode) != 0) return errno_error("chmod " + path);
  return success();
}

Status open_to_all(const std::string& folder) {
  std::error_code error;
  ::chmod(folder.c_str(), 0755);
  for (const auto& entry : fs::recursive_directory_iterator(folder, error))
    if (entry.is_directory(error) && !entry.is_symlink(error)) ::chmod(entry.path().c_str(), 0755);
  return success();
}

Status copy_host_files(const std::string& etc) {
  for (const char* name : kCopied) {
    auto bytes = read_file(std::string("/etc/") + name, kMaxCopyBytes);
    if (!bytes) continue;
    auto done = put(etc + "/" + name, *bytes, 0644);
    if (!done) return done;
  }
  return success();
}

}  // namespace

Result<Share> make_share(const ShareOptions& options) {
  Share share;
  share.etc = options.folder + "/etc";
  auto made = make_directories(share.etc);
  if (!made) return std::move(made).error();
  auto agent = read_file(options.agent, kMaxAgentBytes);
  if (!agent) return std::move(agent).error().during("read the agent");
  // Named by its content: sandboxes of an older vibed keep theirs.
  share.agent = options.folder + "/agent-" + to_hex(sha256(*agent)).substr(0, 16);
  std::error_code error;
  if (!fs::exists(share.agent, error)) {
    auto copied = put(share.agent, *agent, 0755);
    if (!copied) return std::move(copied).error().during("copy the agent");
  }
  ::chmod(share.agent.c_str(), 0755);
  for (const auto& [name, text] : kWritten) {
    auto done = put(share.etc + "/" + name, text, 0644);
    if (!done) return std::move(done).error();
  }
  auto copied = copy_host_files(share.etc);
  if (!copied) return std::move(copied).error();
  if (auto conf = options.nginx_conf.empty() ? Result<std::string>(Error{Errc::not_found, ""})
                                             : read_file(options.nginx_conf, kMaxCopyBytes)) {
    auto done = put(share.etc + "/vibed/nginx.conf", *conf, 0644);
    if (!done) return std::move(done).error();
  }
  for (const char* name : kMounted) {
    std::string host = std::string("/etc/") + name;
    if (!fs::is_directory(host, error)) continue;
    auto done = make_directories(share.etc + "/" + name);
    if (!done) return std::move(done).error();
    share.etc_host.push_back(host);
  }
  auto opened = open_to_all(options.folder);
  if (!opened) return std::move(opened).error();
  return share;
}

}  // namespace vibed::sandbox
