// Access: where an API server is and how we are known to it; from kubeconfigs or inside a cluster.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kube/object.hpp"
#include "vibed/result.hpp"

namespace vibed::kube {

// A text given as such or as a file, which is read again when it changes. At most one is set.
struct Given {
  std::string text;
  std::string file;
  bool empty() const { return text.empty() && file.empty(); }
  friend bool operator==(const Given&, const Given&) = default;
};

// A program that prints credentials (client.authentication.k8s.io, v1 and v1beta1).
struct ExecPlugin {
  std::string api_version = {};
  std::string command = {};
  std::vector<std::string> arguments = {};
  std::vector<std::pair<std::string, std::string>> environment = {};  // beyond this process's own
  std::string install_hint = {};
  bool provide_cluster_info = false;
  Json cluster_config = {};  // of the cluster's extension of that name; null: none
  friend bool operator==(const ExecPlugin&, const ExecPlugin&) = default;
};

struct Access {
  std::string server;  // "https://host:port/prefix", without a '/' at its end
  std::string space = "default";
  Given authorities;  // PEM; empty: the system's
  bool insecure = false;
  std::string server_name;
  std::string proxy;

  Given certificate;  // PEM
  Given key;
  Given token;
  std::string username;
  std::string password;
  std::vector<ExecPlugin> exec;                                  // one or none
  std::vector<std::pair<std::string, std::string>> impersonate;  // headers

  std::string origin;  // where this was read, for error messages
  friend bool operator==(const Access&, const Access&) = default;
};

// Where to look, in this order; what main found in its flags and environment.
struct AccessSources {
  std::string kubeconfig = {};  // one file that must be there
  std::string context = {};     // of a kubeconfig; empty: its current one
  std::string kubeconfigs =
      {};  // KUBECONFIG: files joined by ':', those that are not there left out
  std::string service_host = {};  // KUBERNETES_SERVICE_HOST: set inside a cluster
  std::string service_port = {};  // KUBERNETES_SERVICE_PORT
  std::string home = {};          // HOME: .kube/config below it comes last
  std::string service_account = "/var/run/secrets/kubernetes.io/serviceaccount";
};

// `bad_kubeconfig` with the file and the field, or with all the places where nothing was.
Result<Access> find_access(const AccessSources& sources);

}  // namespace vibed::kube
