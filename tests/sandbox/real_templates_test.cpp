// The templates of this repository with the real agent: an app of each starts and answers.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "local_world.hpp"
#include "process/run.hpp"
#include "sandbox/go_cache.hpp"
#include "vibed/template.hpp"
#include "watcher.hpp"

namespace vibed::sandbox {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

const Files kGo = {
    {"go.mod", "module hello\n\ngo 1.19\n"},
    {"main.go",
     "package main\n\nimport (\n\t\"fmt\"\n\t\"net/http\"\n\t\"os\"\n)\n\nfunc main() {\n"
     "\thttp.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "
     "\"hello\") })\n\thttp.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil)\n}\n"}};
const Files kStatic = {{"index.html", "<p>hello</p>"}};
const Files kNode = {
    {"package.json", R"({"main": "server.js"})"},
    {"server.js", "require('http').createServer((q, s) => s.end('hello')).listen(8080)"}};
const Files kPython = {
    {"app.py",
     "import http.server as h\nclass A(h.BaseHTTPRequestHandler):\n  def do_GET(self):\n"
     "    self.send_response(200); self.end_headers(); self.wfile.write(b'hello')\n"
     "h.HTTPServer(('0.0.0.0', 8080), A).serve_forever()\n"}};

// Where compiled standard libraries of this build are kept; a minute's work is not done twice.
std::string shared_cache() { return VIBED_BINARY_DIR "/cache"; }

class RealTemplates : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why = why_no_sandboxes();
    if (why.empty() && ::access(real_agent().c_str(), X_OK) != 0) why = "vibed-agent is not built";
    if (!why.empty()) GTEST_SKIP() << why;
  }

  void serves_hello(const std::string& name, const Files& files) {
    auto all = load_templates(VIBED_SOURCE_DIR "/templates");
    ASSERT_TRUE(all) << all.error().message;
    for (const Template& each : *all)
      if (each.name == name) template_ = each;
    ASSERT_EQ(template_.name, name);
    if (!template_.available) GTEST_SKIP() << template_.message;
    const Runtime* go = go_runtime(template_);
    bool needs_go = template_.language == "go";
    if (needs_go && !go_cache_ready(shared_cache(), *go))
      GTEST_SKIP() << "Go's standard library is not in " << shared_cache() << "/"
                   << go_cache_name(*go);
    open(needs_go);
    if (HasFatalFailure()) return;
    deploy(pack(files));
  }

  void open(bool needs_go) {
    LocalPoolOptions options;
    options.run_directory = data_ / "run";
    if (needs_go) options.cache_directory = shared_cache();
    options.templates = {template_};
    options.sources = sources_.get();
    options.agent = real_agent();
    options.nginx_conf = VIBED_SOURCE_DIR "/templates/static-nginx/nginx.conf";
    auto opened = open_local_sandbox_pool(options);
    ASSERT_TRUE(opened) << opened.error().message;
    pool_ = *std::move(opened);
  }

  std::string pack(const Files& files) {
    fs::create_directory(data_ / "src");
    for (const auto& [name, text] : files) std::ofstream(data_ / ("src/" + name)) << text;
    auto packed = run({"tar", "-czf", data_ / "src.tar.gz", "-C", data_ / "src", "."});
    EXPECT_TRUE(packed && packed->status.ok());
    return data_ / "src.tar.gz";
  }

  void deploy(const std::string& archive) {
    using std::chrono::steady_clock;
    Watcher watcher(*pool_);
    auto warm = pool_->claim({"warm", "uid-0", "label-0", 1, template_.name});
    ASSERT_TRUE(warm) << warm.error().message;
    watcher.until_phase(warm->id, {SandboxPhase::bound, SandboxPhase::failed});
    auto began = steady_clock::now();
    auto bound = *warm;
    ASSERT_TRUE(pool_->inject(bound.id, {archive, "", {}}));
    auto up = watcher.until_phase(bound.id, {SandboxPhase::listening, SandboxPhase::failed});
    ASSERT_EQ(up.phase, SandboxPhase::listening)
        << up.reason << ": " << up.message << testing_log(up);
    ASSERT_TRUE(pool_->expose("label-0", bound.id));
    std::string answer = talk(data_ / "run/apps/label-0.sock", "GET / HTTP/1.0\r\nHost: x\r\n\r\n");
    std::chrono::duration<double, std::milli> took = steady_clock::now() - began;
    EXPECT_NE(answer.find("hello"), std::string::npos) << answer;
    EXPECT_NE(up.start_command, "");
    std::cout << template_.name << ": inject to answer " << took.count() << " ms ("
              << up.start_command << ")\n";
  }

  static std::string testing_log(const Sandbox& sandbox) {
    std::string text;
    for (const std::string& line : sandbox.log_tail) text += "\n" + line;
    return text;
  }

  vibed::testing::TempDir data_;
  std::unique_ptr<SourceStore> sources_ = make_echo_store();
  Template template_;
  std::unique_ptr<LocalPool> pool_;
};

TEST_F(RealTemplates, StaticFilesAreServed) { serves_hello("static-nginx", kStatic); }
TEST_F(RealTemplates, NodeIsServed) { serves_hello("node-24", kNode); }
TEST_F(RealTemplates, PythonIsServed) { serves_hello("python-313", kPython); }
TEST_F(RealTemplates, TheBaseTemplateServesABareFile) { serves_hello("base-al2023", kPython); }
TEST_F(RealTemplates, GoIsBuiltAndServed) { serves_hello("go-123", kGo); }

}  // namespace
}  // namespace vibed::sandbox
