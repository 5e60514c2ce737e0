// What vibed adds to unpacking a source: list, classify and extract against a bare inflate of the
// same bytes. `ratio` is to that reference in the same run; classify + list is to stay below 1.5.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <zlib.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>

#include "base/fd.hpp"
#include "support/tar_builder.hpp"
#include "vibed/archive.hpp"
#include "vibed/classifier.hpp"

namespace vibed {
namespace {

using Clock = std::chrono::steady_clock;

// Text that compresses as source code does, about four to one.
std::string source_text(std::mt19937& random, std::size_t size) {
  static const char* kWords[] = {"const ",  "return ", "function", "(value)", " => {\n", "  }\n",
                                 "import ", "from ",   "await ",   "this.",   ";\n",     "export "};
  std::string text;
  while (text.size() < size) {
    text += kWords[random() % std::size(kWords)];
    if (random() % 3 == 0) text += std::to_string(random() % 100'000);
  }
  text.resize(size);
  return text;
}

// A Node app of so many files, wrapped, of 6 KB each on average, as vendored modules are.
std::string node_app(int files) {
  std::mt19937 random(1);
  testing::TarBuilder tar;
  tar.file("app/package.json", R"({"name":"x","dependencies":{"express":"4"}})");
  for (int i = 1; i < files; ++i) {
    std::string folder = "app/node_modules/package-" + std::to_string(i / 20) + "/lib/";
    tar.file(folder + "file-" + std::to_string(i) + ".js", source_text(random, random() % 12'000));
  }
  return tar.tgz();
}

// A static site: few files, large ones that hardly compress.
std::string static_site() {
  std::mt19937 random(1);
  testing::TarBuilder tar;
  tar.file("index.html", source_text(random, 20'000));
  for (int i = 0; i < 20; ++i) {
    std::string image(300'000, '\0');
    for (char& c : image) c = static_cast<char>(random() & 0xff);
    tar.file("img/" + std::to_string(i) + ".png", image);
  }
  return tar.tgz();
}

void inflate_bare(const std::string& tgz) {
  static char buffer[64 * 1024];
  z_stream stream = {};
  inflateInit2(&stream, MAX_WBITS + 16);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(tgz.data()));
  stream.avail_in = static_cast<uInt>(tgz.size());
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    status = inflate(&stream, Z_NO_FLUSH);
  }
  if (status != Z_STREAM_END) std::abort();
  inflateEnd(&stream);
}

void list_and_classify(const std::string& tgz) {
  auto source = make_memory_source(tgz);
  auto listing = list_archive(*source);
  if (!listing) std::abort();
  benchmark::DoNotOptimize(classify(*listing));
}

void extract(const std::string& tgz) {
  char name[] = "/dev/shm/vibed-benchmark-XXXXXX";
  if (::mkdtemp(name) == nullptr) std::abort();
  {
    Fd folder(::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto source = make_memory_source(tgz);
    if (!extract_archive(*source, folder.get())) std::abort();
  }
  std::filesystem::remove_all(name);
}

// Times `work` and, in turns with it, the reference, so that both see the same machine.
void against_inflate(benchmark::State& state, const std::string& tgz,
                     const std::function<void(const std::string&)>& work) {
  Clock::duration spent{};
  Clock::duration reference{};
  for (auto _ : state) {
    auto start = Clock::now();
    inflate_bare(tgz);
    auto middle = Clock::now();
    work(tgz);
    auto end = Clock::now();
    reference += middle - start;
    spent += end - middle;
    state.SetIterationTime(std::chrono::duration<double>(end - middle).count());
  }
  state.counters["ratio"] =
      static_cast<double>(spent.count()) / static_cast<double>(reference.count());
  state.SetLabel("ratio to a bare inflate");
}

void BM_Archive_ListAndClassifyNodeApp(benchmark::State& state) {
  against_inflate(state, node_app(static_cast<int>(state.range(0))), list_and_classify);
}
BENCHMARK(BM_Archive_ListAndClassifyNodeApp)
    ->Arg(3)
    ->Arg(10)
    ->Arg(1000)
    ->Arg(10'000)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

void BM_Archive_ListAndClassifyStaticSite(benchmark::State& state) {
  against_inflate(state, static_site(), list_and_classify);
}
BENCHMARK(BM_Archive_ListAndClassifyStaticSite)->UseManualTime()->Unit(benchmark::kMillisecond);

void BM_Archive_ExtractNodeApp(benchmark::State& state) {
  against_inflate(state, node_app(1000), extract);
}
BENCHMARK(BM_Archive_ExtractNodeApp)->UseManualTime()->Unit(benchmark::kMillisecond);

void BM_Classifier_NodeApp(benchmark::State& state) {
  std::string tgz = node_app(static_cast<int>(state.range(0)));
  auto source = make_memory_source(tgz);
  Listing listing = *list_archive(*source);
  for (auto _ : state) benchmark::DoNotOptimize(classify(listing));
}
BENCHMARK(BM_Classifier_NodeApp)->Arg(10)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace vibed

BENCHMARK_MAIN();
