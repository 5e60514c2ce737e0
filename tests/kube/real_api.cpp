#include "kube/real_api.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "base/files.hpp"
#include "kube/client.hpp"
#include "process/run.hpp"
#include "support/surroundings.hpp"

namespace vibed::testing {
namespace {

namespace fs = std::filesystem;

std::string program(const std::string& name) { return cache_folder() + "/cluster/bin/" + name; }

void write(const std::string& path, std::string_view text) {
  if (auto ok = write_file(path, text, Durability::unsynced, 0600); !ok) {
    throw std::runtime_error(ok.error().message);
  }
}

std::string read(const std::string& path) {
  auto text = read_file(path, 1024 * 1024);
  if (!text) throw std::runtime_error(text.error().message);
  return *text;
}

void must(const std::vector<std::string>& argv) {
  auto output = run(argv);
  if (!output) throw std::runtime_error(output.error().message);
  if (!output->status.ok()) throw std::runtime_error(argv[0] + ": " + output->err);
}

Process started(std::vector<std::string> argv, const std::string& log) {
  const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  SpawnOptions options;
  options.argv = std::move(argv);
  options.stdout_fd = fd;
  options.stderr_fd = fd;
  options.death_signal = SIGKILL;
  auto process = spawn(options);
  ::close(fd);
  if (!process) throw std::runtime_error(process.error().message);
  return std::move(*process);
}

void end(Process& process) {
  if (!process) return;
  (void)process.signal(SIGKILL);
  (void)process.reap();
  process = Process();
}

}  // namespace

RealApi* RealApi::instance(std::string& why) {
  static std::unique_ptr<RealApi> only;
  static std::string broken;
  if (only != nullptr) return only.get();
  if (!broken.empty()) throw std::runtime_error(broken);
  for (const char* name : {"etcd", "kube-apiserver"}) {
    if (!fs::exists(program(name))) {
      why = std::string("no ") + name + " in the cache: make test-cluster builds it";
      return nullptr;
    }
  }
  broken = "it did not start, see the first test";
  only.reset(new RealApi());
  broken.clear();
  return only.get();
}

RealApi::RealApi() {
  make_certificates();
  write(folder_ / "tokens.csv", "tester-token,tester,1\n");
  start_etcd();
  port_ = free_port();
  start();
}

RealApi::~RealApi() {
  end(api_);
  end(etcd_);
}

void RealApi::make_certificates() {
  const auto file = [&](const std::string& name) { return folder_ / name; };
  const std::vector<std::string> curve = {"-newkey", "ec", "-pkeyopt",
                                          "ec_paramgen_curve:prime256v1", "-nodes"};
  const auto request = [&](std::vector<std::string> more) {
    std::vector<std::string> argv = {"openssl", "req"};
    argv.insert(argv.end(), curve.begin(), curve.end());
    argv.insert(argv.end(), more.begin(), more.end());
    must(argv);
  };
  const auto certificate = [&](const std::string& name, const std::string& subject) {
    request(
        {"-new", "-subj", subject, "-keyout", file(name + ".key"), "-out", file(name + ".csr")});
    must({"openssl", "x509", "-req", "-in", file(name + ".csr"), "-CA", file("ca.crt"), "-CAkey",
          file("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", file("extensions"), "-out",
          file(name + ".crt")});
  };
  request({"-x509", "-days", "2", "-subj", "/CN=test-ca", "-keyout", file("ca.key"), "-out",
           file("ca.crt")});
  write(file("extensions"),
        "extendedKeyUsage=clientAuth,serverAuth\n"
        "subjectAltName=DNS:kubernetes.test,IP:127.0.0.1\n");
  certificate("server", "/CN=kube-apiserver");
  certificate("admin", "/O=system:masters/CN=admin");
  // Of elliptic keys the API server reads another format.
  must({"openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
        file("accounts.key")});
  must({"openssl", "pkey", "-in", file("accounts.key"), "-pubout", "-out", file("accounts.pub")});
}

void RealApi::start_etcd() {
  etcd_port_ = free_port();
  const std::string clients = "http://127.0.0.1:" + std::to_string(etcd_port_);
  const std::string peers = "http://127.0.0.1:" + std::to_string(free_port());
  etcd_ = started({program("etcd"), "--name", "node", "--data-dir", folder_ / "etcd",
                   "--unsafe-no-fsync", "--log-level", "warn", "--listen-client-urls", clients,
                   "--advertise-client-urls", clients, "--listen-peer-urls", peers,
                   "--initial-advertise-peer-urls", peers, "--initial-cluster", "node=" + peers},
                  folder_ / "etcd.log");
}

void RealApi::start() {
  api_ =
      started({program("kube-apiserver"), "--etcd-servers",
               "http://127.0.0.1:" + std::to_string(etcd_port_), "--bind-address", "127.0.0.1",
               "--secure-port", std::to_string(port_), "--advertise-address", "192.0.2.1",
               "--endpoint-reconciler-type", "none", "--service-cluster-ip-range", "10.96.0.0/24",
               "--tls-cert-file", folder_ / "server.crt", "--tls-private-key-file",
               folder_ / "server.key", "--client-ca-file", folder_ / "ca.crt", "--token-auth-file",
               folder_ / "tokens.csv", "--authorization-mode", "RBAC", "--service-account-issuer",
               "https://kubernetes.test", "--service-account-key-file", folder_ / "accounts.key",
               "--service-account-signing-key-file", folder_ / "accounts.key",
               // Nobody makes service accounts here.
               "--disable-admission-plugins", "ServiceAccount", "--etcd-compaction-interval", "0"},
              folder_ / "api.log");
  wait_until_ready();
}

void RealApi::kill() { end(api_); }

void RealApi::wait_until_ready() {
  auto client = kube::open_client(access());
  if (!client) throw std::runtime_error(client.error().message);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!(*client)->get_raw("/readyz", {.timeout = std::chrono::seconds(2)})) {
    if (api_.wait_exit(std::chrono::milliseconds(100)) ||
        std::chrono::steady_clock::now() > limit) {
      const std::string log = read(folder_ / "api.log");
      throw std::runtime_error("kube-apiserver: " +
                               log.substr(log.size() > 2000 ? log.size() - 2000 : 0));
    }
  }
}

kube::Access RealApi::access() const {
  kube::Access access;
  access.server = "https://127.0.0.1:" + std::to_string(port_);
  access.authorities.file = folder_ / "ca.crt";
  access.certificate.file = folder_ / "admin.crt";
  access.key.file = folder_ / "admin.key";
  return access;
}

kube::Access RealApi::access_of_tester() const {
  kube::Access access = this->access();
  access.certificate = {};
  access.key = {};
  access.token.text = "tester-token";
  return access;
}

}  // namespace vibed::testing
