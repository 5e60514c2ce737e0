// Credentials from the program that a kubeconfig names.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "kube/access.hpp"

namespace vibed::kube {

struct Credential {
  std::string token;
  std::string certificate;  // PEM
  std::string key;
  std::optional<std::chrono::system_clock::time_point> expires;
};

// What the program is told in KUBERNETES_EXEC_INFO. `authorities` is PEM.
Json exec_info(const ExecPlugin& plugin, const Access& access, const std::string& authorities);

// Reads an ExecCredential of the version that `plugin` asks for.
Result<Credential> parse_exec_credential(std::string_view text, const ExecPlugin& plugin);

// Runs the program, for at most a minute. Errors are `credential_plugin_failed` and carry the last
// line of what it said on stderr; nothing it prints on stdout enters a message.
Result<Credential> run_exec_plugin(const ExecPlugin& plugin, const Access& access,
                                   const std::string& authorities);

}  // namespace vibed::kube
