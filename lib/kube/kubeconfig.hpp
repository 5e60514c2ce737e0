// Kubeconfig: the file of kubectl, as it is written.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "kube/access.hpp"

namespace vibed::kube {

struct Kubeconfig {
  struct Context {
    std::string cluster;
    std::string user;
    std::string space;
    std::string origin;  // the file
  };

  std::string current_context;
  // Each entry sets only its own fields of an Access.
  std::map<std::string, Access> clusters;
  std::map<std::string, Access> users;
  std::map<std::string, Context> contexts;

  // Adds what `other` has and this has not.
  void merge(Kubeconfig other);
};

// Reads the file at `path`, whose text is `text`: paths in it are relative to its folder. Errors
// are `bad_kubeconfig` and begin with the path and the field. Opens nothing.
Result<Kubeconfig> parse_kubeconfig(std::string_view text, const std::string& path);

// Cluster and user of the context `name`, or of the current one.
Result<Access> access_of(const Kubeconfig& config, const std::string& name);

}  // namespace vibed::kube
