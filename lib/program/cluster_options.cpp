#include "vibed/cluster_options.hpp"

#include <utility>

#include "base/files.hpp"

namespace vibed {
namespace {

constexpr std::size_t kLongestSecret = 64 * 1024;

}  // namespace

std::vector<OptionSpec> with_cluster_options(std::vector<OptionSpec> options) {
  options.push_back(
      {"--kubeconfig", "FILE", "the cluster; else KUBECONFIG, the pod's account, ~/.kube/config"});
  options.push_back({"--context", "NAME", "of the kubeconfig; its current one"});
  return options;
}

ClusterAccess cluster_access(const Invocation& invocation) {
  return {invocation.text("kubeconfig"), invocation.text("context"), invocation.environment};
}

OptionSpec install_secret_option() {
  return {"--install-secret-file", "FILE", "instead of $VIBED_INSTALL_SECRET"};
}

Result<std::string> install_secret(const Invocation& invocation) {
  const std::string file = invocation.text("install-secret-file");
  if (file.empty()) {
    std::string secret = invocation.variable("VIBED_INSTALL_SECRET");
    if (!secret.empty()) return secret;
    return usage_error(
        "the install secret is missing: --install-secret-file or VIBED_INSTALL_SECRET");
  }
  auto secret = read_file(file, kLongestSecret);
  if (!secret) return usage_error("cannot read the install secret: " + secret.error().message);
  if (secret->ends_with('\n')) secret->pop_back();
  if (secret->empty()) return usage_error("there is no install secret in " + file);
  return secret;
}

}  // namespace vibed
