#include "kube/resource.hpp"

namespace vibed::kube {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// No part of a path can leave its place: a '/' in a name is sent as %2F.
void append_encoded(std::string& text, std::string_view part) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  // ".." alone would be resolved away by whoever is in between.
  const bool dots = part == "." || part == "..";
  for (char c : part) {
    if (is_plain(c) && !dots) {
      text += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
}

}  // namespace

std::string path_of(const Resource& resource, std::string_view space, std::string_view name,
                    std::string_view subresource) {
  std::string path = resource.group.empty() ? "/api" : "/apis";
  auto add = [&path](std::string_view part) {
    path += '/';
    append_encoded(path, part);
  };
  if (!resource.group.empty()) add(resource.group);
  add(resource.version);
  if (resource.namespaced && !space.empty()) {
    add("namespaces");
    add(space);
  }
  add(resource.plural);
  if (!name.empty()) add(name);
  if (!subresource.empty()) add(subresource);
  return path;
}

Query& Query::add(std::string_view name, std::string_view value) {
  if (value.empty()) return *this;
  text_ += text_.empty() ? '?' : '&';
  append_encoded(text_, name);
  text_ += '=';
  append_encoded(text_, value);
  return *this;
}

const Resource& config_maps() {
  static const Resource kResource{"", "v1", "configmaps", "ConfigMap"};
  return kResource;
}

const Resource& endpoint_slices() {
  static const Resource kResource{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"};
  return kResource;
}

const Resource& event_records() {
  static const Resource kResource{"events.k8s.io", "v1", "events", "Event"};
  return kResource;
}

const Resource& leases() {
  static const Resource kResource{"coordination.k8s.io", "v1", "leases", "Lease"};
  return kResource;
}

const Resource& namespaces() {
  static const Resource kResource{"", "v1", "namespaces", "Namespace", false};
  return kResource;
}

const Resource& pods() {
  static const Resource kResource{"", "v1", "pods", "Pod"};
  return kResource;
}

const Resource& secrets() {
  static const Resource kResource{"", "v1", "secrets", "Secret"};
  return kResource;
}

const Resource& services() {
  static const Resource kResource{"", "v1", "services", "Service"};
  return kResource;
}

}  // namespace vibed::kube
