// Authenticator tells who is calling.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/caller.hpp"
#include "auth/network.hpp"
#include "vibed/config.hpp"
#include "vibed/result.hpp"

namespace vibed::auth {

// What a request says of its sender.
struct Credentials {
  std::string_view authorization = {};   // the header, or ""
  std::string_view forwarded_user = {};  // X-Forwarded-User, or ""
  std::string_view peer = {};            // "192.0.2.7:4711", or "unix"
};

// Does not change after it was made; all methods may be called from any thread at once.
class Authenticator {
 public:
  // Of `auth` in the configuration. bad_config: no keys, a network or a role that is none, a mode
  // that this version has not.
  static Result<Authenticator> make(const Config::Auth& config);

  // - off: everybody is "admin" with that role.
  // - apikey: who has the key named N is "apikey-N", with the key's role.
  // - oauth: the key shows that the caller is the proxy, which names the user in X-Forwarded-User
  //   if it calls from a trusted network; else the user is "oauth-user". Nobody is an admin.
  // `unauthenticated` says what is missing, never what was sent. Takes as long for a key that is
  // nearly right as for any other; O(number of keys).
  Result<Caller> authenticate(const Credentials& credentials) const;

  bool enabled() const { return mode_ != Mode::off; }

 private:
  enum class Mode { off, keys, proxy };
  struct Key {
    std::string digest;  // SHA-256 of the key, in hex: all have one length
    std::string name;
    bool admin = false;
  };

  Mode mode_ = Mode::off;
  std::vector<Key> keys_;
  std::vector<Network> proxies_;
};

// bad_config if `config` lets everybody in and listens where others than this machine's users come
// from, unless auth.devInsecure says that this is meant.
Status check_exposure(const Config& config);

}  // namespace vibed::auth
