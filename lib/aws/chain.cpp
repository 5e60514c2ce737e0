#include "aws/chain.hpp"

#include "base/files.hpp"

namespace vibed::aws {
namespace {

constexpr std::size_t kLargestFile = 1024 * 1024;

std::string text_at(const std::string& path) {
  if (path.empty()) return "";
  auto text = read_file(path, kLargestFile);
  return text ? *text : "";
}

}  // namespace

SharedFiles read_shared_files(const Environment& environment) {
  const SharedPaths paths = shared_paths(environment);
  return {text_at(paths.config), text_at(paths.credentials)};
}

std::unique_ptr<CredentialCache> make_credentials(fetch::AwsKeys keys, Environment environment,
                                                  ObtainTools tools) {
  const Now now = tools.now;
  auto load = [keys = std::move(keys), environment = std::move(environment),
               tools = std::move(tools)]() -> Result<Credentials> {
    if (!keys.id.empty()) return Credentials{keys, {}, "the configuration"};
    const SharedFiles files = read_shared_files(environment);
    auto plan = plan_credentials(environment, files);
    if (!plan) return plan.error();
    return obtain(*plan, tools);
  };
  return std::make_unique<CredentialCache>(std::move(load), now);
}

}  // namespace vibed::aws
