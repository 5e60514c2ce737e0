#include "source/real_s3.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "aws/s3_client.hpp"
#include "base/files.hpp"
#include "base/ids.hpp"
#include "support/surroundings.hpp"

namespace vibed::testing {
namespace {

constexpr const char* kAccess = "testak";
constexpr const char* kSecret = "testsecret123";

std::string program() {
  std::string own = variable("VIBED_VERSITYGW");
  return own.empty() ? cache_folder() + "/bin/versitygw-1.8.0" : own;
}

}  // namespace

RealS3* RealS3::instance(std::string& why) {
  static std::unique_ptr<RealS3> only;
  static std::string broken;
  if (only != nullptr) return only.get();
  if (broken.empty() && ::access(program().c_str(), X_OK) != 0) {
    why = "no versitygw in the cache: scripts/parts s3 builds it";
    return nullptr;
  }
  if (!broken.empty()) throw std::runtime_error(broken);
  std::unique_ptr<RealS3> made(new RealS3(program(), free_port()));
  broken = made->start();
  if (!broken.empty()) throw std::runtime_error(broken);
  only = std::move(made);
  return only.get();
}

std::unique_ptr<RealS3> RealS3::with_tls(const Authority& authority, std::string& why) {
  if (instance(why) == nullptr) return nullptr;
  std::unique_ptr<RealS3> made(new RealS3(program(), free_port()));
  made->speak_tls(authority);
  if (std::string broken = made->start(); !broken.empty()) throw std::runtime_error(broken);
  return made;
}

std::unique_ptr<RealS3> RealS3::with_data(const std::string& data, std::string& why) {
  if (instance(why) == nullptr) return nullptr;
  std::unique_ptr<RealS3> made(new RealS3(program(), free_port()));
  made->data_ = data;
  if (std::string broken = made->start(); !broken.empty()) throw std::runtime_error(broken);
  return made;
}

RealS3::RealS3(std::string program, int port) : program_(std::move(program)), port_(port) {}

RealS3::~RealS3() { kill(); }

void RealS3::kill() {
  if (!process_) return;
  (void)process_.signal(SIGKILL);
  (void)process_.reap();
  process_ = Process();
}

void RealS3::speak_tls(const Authority& authority) {
  const KeyPair pair = authority.issue("s3.localhost");
  authorities_ = authority.certificate();
  const std::vector<std::pair<std::string, std::string>> files = {
      {folder_ / "cert.pem", pair.certificate},
      {folder_ / "key.pem", pair.key},
      {authorities_file(), authorities_}};
  for (const auto& [path, text] : files) {
    if (auto ok = write_file(path, text, Durability::unsynced, 0600); !ok) {
      throw std::runtime_error(ok.error().message);
    }
  }
  tls_ = {"--cert", files[0].first, "--key", files[1].first};
}

std::string RealS3::start() {
  const std::string address = "127.0.0.1:" + std::to_string(port_);
  for (const char* name : {"data", "meta"}) std::filesystem::create_directories(folder_ / name);
  const std::string log = folder_ / "log";
  const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  SpawnOptions options;
  // Its facts go into files beside the objects: not every temporary folder has extended attributes.
  options.argv = {program_,
                  "--access",
                  kAccess,
                  "--secret",
                  kSecret,
                  "--port",
                  address,
                  "--health",
                  "/healthz",
                  "--virtual-domain",
                  "s3.localhost:" + std::to_string(port_),
                  "--quiet",
                  "posix",
                  "--sidecar",
                  folder_ / "meta",
                  data_};
  options.argv.insert(options.argv.begin() + 1, tls_.begin(), tls_.end());
  options.stdout_fd = fd;
  options.stderr_fd = fd;
  options.death_signal = SIGKILL;
  auto started = spawn(options);
  ::close(fd);
  if (!started) return started.error().message;
  process_ = *std::move(started);
  auto http = fetch::make_client();
  for (int i = 0; i < 500; ++i) {
    fetch::Request look{.url = url() + "/healthz"};
    look.tls = std::make_shared<const fetch::Tls>(fetch::Tls{.authorities = authorities_});
    auto answer = http->send(look);
    if (answer && answer->status == 200) return "";
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  auto text = read_file(log, 1'000'000);
  return "versitygw did not start: " + (text ? *text : "");
}

S3SourceOptions RealS3::make_bucket(const std::string& addressing) {
  S3SourceOptions options;
  options.endpoint = url();
  options.bucket = "b" + random_hex(6);
  options.access_key = kAccess;
  options.secret_key = kSecret;
  options.addressing = addressing;
  if (!authorities_.empty()) options.environment["AWS_CA_BUNDLE"] = authorities_file();
  std::shared_ptr<fetch::Client> http = fetch::make_client();
  aws::S3ClientOptions how;
  how.tls = std::make_shared<const fetch::Tls>(fetch::Tls{.authorities = authorities_});
  aws::S3Client client(
      *aws::S3Address::make(options.endpoint, options.bucket, "us-east-1", aws::Addressing::path),
      how, http, aws::make_credentials({kAccess, kSecret, ""}, {}, {http.get()}));
  auto made = client.send({.action = "s3:CreateBucket", .method = "PUT"});
  if (!made) throw std::runtime_error(made.error().message);
  return options;
}

}  // namespace vibed::testing
