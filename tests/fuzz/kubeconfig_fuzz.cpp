// A kubeconfig from anywhere is an Access or an error that says what is wrong; so is what a plug-in
// prints.
#include "kube/exec_plugin.hpp"
#include "kube/kubeconfig.hpp"
#include "support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vibed;
  const std::string_view text = fuzz::text_of(data, size);
  auto config = kube::parse_kubeconfig(text, "/k/config");
  fuzz::fuzz_check(config || config.error().message.starts_with("/k/config: "),
                   "an error names the file");
  if (config) {
    std::vector<std::string> names{""};
    for (const auto& [name, context] : config->contexts) names.push_back(name);
    for (const std::string& name : names) {
      auto access = kube::access_of(*config, name);
      fuzz::fuzz_check(access || !access.error().message.empty(), "an error has a message");
      if (!access) continue;
      fuzz::fuzz_check(access->server.starts_with("http"), "a server is a URL");
      fuzz::fuzz_check(access->certificate.empty() == access->key.empty(), "a pair is a pair");
      for (const kube::ExecPlugin& plugin : access->exec) {
        (void)kube::to_text(kube::exec_info(plugin, *access, "CA"));
      }
    }
  }
  const kube::ExecPlugin plugin{.api_version = "client.authentication.k8s.io/v1", .command = "p"};
  auto credential = kube::parse_exec_credential(text, plugin);
  fuzz::fuzz_check(!credential || !credential->token.empty() || !credential->key.empty(),
                   "a credential is something");
  return 0;
}
