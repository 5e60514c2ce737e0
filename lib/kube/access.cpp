#include "kube/access.hpp"

#include <sys/stat.h>

#include "base/error_codes.hpp"
#include "base/files.hpp"
#include "kube/kubeconfig.hpp"

namespace vibed::kube {
namespace {

const std::string kHttps = "443";
constexpr std::size_t kLargestFile = 1024 * 1024;

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

Error cannot_read(const std::string& path, const Error& error) {
  return make_error("bad_kubeconfig", path + ": " + error.message);
}

Result<Kubeconfig> open_kubeconfig(const std::string& path) {
  auto text = read_file(path, kLargestFile);
  if (!text) return cannot_read(path, text.error());
  return parse_kubeconfig(*text, path);
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= list.size();) {
    const std::size_t end = std::min(list.find(':', from), list.size());
    if (end > from) parts.push_back(list.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

// Of several files the first that has a thing wins.
Result<Access> merged(const std::vector<std::string>& paths, const std::string& context) {
  Kubeconfig all;
  for (const std::string& path : paths) {
    auto one = open_kubeconfig(path);
    if (!one) return std::move(one).error();
    all.merge(std::move(*one));
  }
  return access_of(all, context);
}

Result<Access> inside(const AccessSources& sources) {
  Access access;
  const std::string& host = sources.service_host;
  const bool is_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  const std::string& port = sources.service_port.empty() ? kHttps : sources.service_port;
  access.server = "https://" + (is_v6 ? "[" + host + "]" : host) + ":" + port;
  access.origin = sources.service_account;
  access.token.file = sources.service_account + "/token";
  access.authorities.file = sources.service_account + "/ca.crt";
  for (const std::string& file : {access.token.file, access.authorities.file}) {
    auto text = read_file(file, kLargestFile);
    if (!text) return cannot_read(file, text.error());
  }
  auto space = read_file(sources.service_account + "/namespace", kLargestFile);
  if (space && !space->empty()) access.space = space->substr(0, space->find('\n'));
  return access;
}

}  // namespace

Result<Access> find_access(const AccessSources& sources) {
  if (!sources.kubeconfig.empty()) return merged({sources.kubeconfig}, sources.context);
  std::vector<std::string> listed = split(sources.kubeconfigs);
  const std::string looked = sources.kubeconfigs;
  std::erase_if(listed, [](const std::string& path) { return !exists(path); });
  if (!listed.empty()) return merged(listed, sources.context);
  if (!looked.empty()) {
    return make_error("bad_kubeconfig", "KUBECONFIG: none of these files is there: " + looked);
  }
  if (!sources.service_host.empty()) return inside(sources);
  const std::string own = sources.home + "/.kube/config";
  if (!sources.home.empty() && exists(own)) return merged({own}, sources.context);
  return make_error("bad_kubeconfig",
                    "no cluster: KUBECONFIG is not set, this is not a pod, and there is no " + own);
}

}  // namespace vibed::kube
