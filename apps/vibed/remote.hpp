// What the commands share that talk to a running vibed.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vibed/client.hpp"
#include "vibed/program.hpp"

namespace vibed::cli {

using Json = nlohmann::ordered_json;

// --api and, where a script may want it, --json.
std::vector<OptionSpec> remote_options(bool json);

// The vibed of --api, else of VIBED_API, else the usual one.
std::unique_ptr<Client> connect(const Invocation& invocation);

// A call whose answer is JSON; null for an empty one.
Result<Json> call(Client& client, const std::string& method, const std::string& path,
                  const std::string& body = "");

std::string app_path(const std::string& app);

// Members of an object that may be missing or of another type.
std::string text_of(const Json& object, const char* key);
std::int64_t number_of(const Json& object, const char* key);

// What an app has come to.
enum class Outcome { underway, serving, suspended, failed };
Outcome outcome_of(const Json& app);
// Why: of the newer generation when that is what failed.
std::string why(const Json& app);

// The app, looked at until it is neither underway nor still what it was, `past`, or two minutes
// have passed.
Result<Json> settle(Client& client, const std::string& app, Outcome past);

void print_json(const Json& value);

// The outcome of a command that prints JSON: an error is printed as {"code","message"} as well.
Status told_as_json(const Invocation& invocation, Status status);

// Tells an app's URL, or why it has none: what deploy, resume and rollback end with.
Status conclude(const Invocation& invocation, Client& client, const Json& app);

}  // namespace vibed::cli
