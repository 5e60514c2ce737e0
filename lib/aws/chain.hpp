// The credential chain of AWS as one thing to ask.
#pragma once

#include <memory>
#include <string>

#include "aws/credential_cache.hpp"
#include "aws/obtain.hpp"
#include "aws/plan.hpp"

namespace vibed::aws {

// The shared files as they are now; texts are empty where they cannot be read.
SharedFiles read_shared_files(const Environment& environment);

// Credentials from `keys` if there are any, else from where plan_credentials() says. Files and
// tokens are read again each time credentials are renewed.
std::unique_ptr<CredentialCache> make_credentials(fetch::AwsKeys keys, Environment environment,
                                                  ObtainTools tools);

}  // namespace vibed::aws
