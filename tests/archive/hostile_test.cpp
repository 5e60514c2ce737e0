// What strangers may send: every archive here must be refused by list and extract alike, with the
// same reason, and must leave nothing behind.
#include <functional>

#include "archive_support.hpp"

namespace vibed::testing {
namespace {

struct Hostile {
  std::string name;
  std::string reason;
  std::string in_message;  // what a person must be told
  std::function<std::string()> tgz;
  friend std::ostream& operator<<(std::ostream& out, const Hostile& h) { return out << h.name; }
};

class HostileArchive : public ::testing::TestWithParam<Hostile> {
 protected:
  static ArchiveLimits limits() {
    return {.packed_bytes = 4'000'000, .unpacked_bytes = 20'000'000, .entries = 1000};
  }
};

TEST_P(HostileArchive, IsNotListed) {
  auto listing = list(GetParam().tgz(), limits());
  ASSERT_FALSE(listing);
  EXPECT_EQ(listing.error().reason, GetParam().reason) << listing.error().message;
  EXPECT_EQ(listing.error().code, Errc::invalid_argument);
  EXPECT_NE(listing.error().message.find(GetParam().in_message), std::string::npos)
      << listing.error().message;
}

TEST_P(HostileArchive, IsNotExtractedAndLeavesNothingBehind) {
  TempDir dir;
  fs::create_directory(dir / "target");
  write(dir / "outside/file", "untouched");
  write(dir / "target/before", "still here");
  auto extraction = extract(GetParam().tgz(), dir / "target", limits());
  ASSERT_FALSE(extraction);
  EXPECT_EQ(extraction.error().reason, GetParam().reason) << extraction.error().message;
  EXPECT_EQ(tree(dir.path()), (std::vector<std::string>{"d outside", "f outside/file", "d target",
                                                        "f target/before"}));
  EXPECT_EQ(read(dir / "outside/file"), "untouched");
}

// An archive with one good file, then what `add` adds.
std::function<std::string()> tar_with(std::function<void(TarBuilder&)> add) {
  return [add = std::move(add)] {
    TarBuilder tar;
    tar.file("app/good", "content");
    add(tar);
    return tar.tgz();
  };
}

std::function<std::string()> bytes(std::function<std::string(const std::string& tgz)> change) {
  return [change = std::move(change)] {
    return change(make_tgz({{"a.txt", std::string(5000, 'a')}, {"b.txt", "bbbb"}}));
  };
}

std::string deep_path(std::size_t size) {
  std::string path;
  while (path.size() < size) path += "folder/";
  return path + "x";
}

const Hostile kBroken[] = {
    {"Empty", "bad_archive", "empty", [] { return std::string(); }},
    {"OneByte", "bad_archive", "truncated", [] { return std::string("\x1f"); }},
    {"Text", "bad_archive", "not gzip", [] { return std::string("hello, world"); }},
    {"PlainTar", "bad_archive", "not gzip", [] { return TarBuilder().file("x").tar(); }},
    {"Zip", "bad_archive", "not gzip", [] { return std::string("PK\x03\x04zip", 7); }},
    {"Zeros", "bad_archive", "not gzip", [] { return std::string(100, '\0'); }},
    {"GzipOfText", "bad_archive", "not tar", [] { return gzip(std::string(2000, 'x')); }},
    {"GzipOfNothing", "bad_archive", "not tar", [] { return gzip(""); }},
    {"GzipInGzip", "bad_archive", "not tar",
     [] {
       return gzip(make_tgz({{"x", "y"}}));
     }},
    {"Truncated", "bad_archive", "truncated",
     bytes([](const std::string& tgz) { return tgz.substr(0, tgz.size() / 2); })},
    {"TruncatedInTheTrailer", "bad_archive", "truncated",
     bytes([](const std::string& tgz) { return tgz.substr(0, tgz.size() - 1); })},
    {"WrongChecksum", "bad_archive", "damaged", bytes([](std::string tgz) {
       tgz[tgz.size() - 8] = static_cast<char>(tgz[tgz.size() - 8] ^ 1);
       return tgz;
     })},
    {"WrongLength", "bad_archive", "damaged", bytes([](std::string tgz) {
       tgz[tgz.size() - 4] = static_cast<char>(tgz[tgz.size() - 4] ^ 1);
       return tgz;
     })},
    {"RubbishBehindGzip", "bad_archive", "goes on",
     bytes([](const std::string& tgz) { return tgz + "rubbish"; })},
    {"GzipBehindPadding", "bad_archive", "goes on",
     bytes([](const std::string& tgz) { return tgz + std::string(70'000, '\0') + tgz; })},
    {"HalfAGzipBehindGzip", "bad_archive", "truncated",
     bytes([](const std::string& tgz) { return tgz + "\x1f\x8b"; })},
    {"TarBehindTar", "bad_archive", "goes on",
     bytes([](const std::string& tgz) { return tgz + tgz; })},
    {"RubbishBehindTar", "bad_archive", "goes on",
     [] { return gzip(TarBuilder().file("x").tar() + std::string(600'000, '\0') + "rubbish"); }},
    {"TruncatedTar", "bad_archive", "runcated",
     [] { return gzip(TarBuilder().file("x", std::string(2000, 'x')).tar().substr(0, 1500)); }},
    {"HeaderChecksum", "bad_archive", "amaged",
     [] { return TarBuilder().file("y").header({.name = "x", .good_checksum = false}).tgz(); }},
    {"SizeOfMostOfTheWorld", "archive_too_large", "unpacks to more",
     [] { return TarBuilder().header({.name = "x", .size = 1ULL << 62}).tgz(); }},
    {"NegativeSize", "bad_archive", "",
     [] { return TarBuilder().header({.name = "x", .size = ~0ULL - 5}).tgz(); }},
    {"NoName", "bad_archive", "without a name", [] { return TarBuilder().header({}).tgz(); }},
};

const Hostile kEscaping[] = {
    {"AbsolutePath", "unsafe_archive", "/etc/passwd",
     tar_with([](auto& tar) { tar.file("/etc/passwd"); })},
    {"DotDot", "unsafe_archive", "../outside/file",
     tar_with([](auto& tar) { tar.file("../outside/file", "owned"); })},
    {"DotDotInTheMiddle", "unsafe_archive", "app/../../outside/file",
     tar_with([](auto& tar) { tar.file("app/../../outside/file", "owned"); })},
    {"DotDotThatStaysInside", "unsafe_archive", "..",
     tar_with([](auto& tar) { tar.file("app/../other"); })},
    {"DotDotAtTheEnd", "unsafe_archive", "..",
     tar_with([](auto& tar) { tar.directory("app/.."); })},
    {"DotDotByPax", "unsafe_archive", "..", tar_with([](auto& tar) {
       tar.pax({{"path", "../outside/file"}}).file("fine");
     })},
    {"AbsoluteByLongName", "unsafe_archive", "/folder",
     tar_with([](auto& tar) { tar.file("/" + deep_path(120)); })},
    {"ControlCharacter", "unsafe_archive", "control character",
     tar_with([](auto& tar) { tar.file("a\nb"); })},
    {"NotUtf8", "unsafe_archive", "not UTF-8", tar_with([](auto& tar) { tar.file("gr\xfc\xdf"); })},
    {"AbsoluteSymlink", "unsafe_archive", "absolute",
     tar_with([](auto& tar) { tar.symlink("app/l", "/etc/passwd"); })},
    {"SymlinkOut", "unsafe_archive", "outside",
     tar_with([](auto& tar) { tar.symlink("l", "../outside/file"); })},
    {"SymlinkOutOfTheWrapperOnly", "unsafe_archive", "outside",
     tar_with([](auto& tar) { tar.symlink("app/l", "../app/good"); })},
    {"SymlinkOutByATwist", "unsafe_archive", "outside",
     tar_with([](auto& tar) { tar.symlink("app/l", "good/../../../x"); })},
    {"SymlinkOutBehindALink", "unsafe_archive", "outside", tar_with([](auto& tar) {
       tar.symlink("app/a/b/up", "../..").symlink("app/l", "a/b/up/../x");
     })},
    {"SymlinkOutBehindALinkOfALink", "unsafe_archive", "outside", tar_with([](auto& tar) {
       tar.directory("app/a/b/c").symlink("app/s", "a/b/c").symlink("app/a/b/c/x", "../../..");
       tar.symlink("app/l", "s/x/../y");
     })},
    {"SymlinkToNothing", "unsafe_archive", "nothing",
     tar_with([](auto& tar) { tar.symlink("app/l", ""); })},
    {"PathThroughASymlink", "unsafe_archive", "goes through",
     tar_with([](auto& tar) { tar.directory("app/d").symlink("app/l", "d").file("app/l/x"); })},
    {"FolderThroughASymlinkThatLeaves", "unsafe_archive", "goes through",
     tar_with([](auto& tar) { tar.symlink("l", "../outside").directory("l/x"); })},
    {"HardLinkOut", "unsafe_archive", "..",
     tar_with([](auto& tar) { tar.hardlink("app/h", "../outside/file"); })},
    {"AbsoluteHardLink", "unsafe_archive", "absolute",
     tar_with([](auto& tar) { tar.hardlink("app/h", "/etc/passwd"); })},
    {"HardLinkToNothing", "unsafe_archive", "hard link",
     tar_with([](auto& tar) { tar.hardlink("app/h", "app/absent"); })},
    {"HardLinkToAFolder", "unsafe_archive", "hard link",
     tar_with([](auto& tar) { tar.hardlink("app/h", "app"); })},
    {"HardLinkToASymlink", "unsafe_archive", "hard link",
     tar_with([](auto& tar) { tar.symlink("app/a/l", "../good").hardlink("app/h", "app/a/l"); })},
    {"HardLinkThroughASymlink", "unsafe_archive", "hard link",
     tar_with([](auto& tar) { tar.symlink("l", "../outside").hardlink("app/h", "l/file"); })},
    {"HardLinkToItself", "unsafe_archive", "hard link",
     tar_with([](auto& tar) { tar.hardlink("app/good", "app/good"); })},
    {"HardLinkInPlaceOfItsTargetsFolder", "unsafe_archive", "hard link",
     tar_with([](auto& tar) { tar.hardlink("app", "app/good"); })},
    {"RootAsASymlink", "unsafe_archive", "itself",
     tar_with([](auto& tar) { tar.symlink("./", "/etc"); })},
    {"RootAsAHardLink", "unsafe_archive", "itself",
     tar_with([](auto& tar) { tar.hardlink(".", "app/good"); })},
    {"CharacterDevice", "unsafe_archive", "device",
     tar_with([](auto& tar) { tar.entry('3', "app/null"); })},
    {"BlockDevice", "unsafe_archive", "device",
     tar_with([](auto& tar) { tar.entry('4', "app/disk"); })},
    {"Fifo", "unsafe_archive", "FIFO", tar_with([](auto& tar) { tar.entry('6', "app/pipe"); })},
};

const Hostile kTooLarge[] = {
    {"TooManyEntries", "archive_too_large", "more than 1000 entries", tar_with([](auto& tar) {
       for (int i = 0; i < 1000; ++i) tar.file("app/" + std::to_string(i));
     })},
    {"TooManySkippedEntries", "archive_too_large", "more than 1000 entries",
     tar_with([](auto& tar) {
       for (int i = 0; i < 1000; ++i) tar.file("._x");
     })},
    {"TooManyImpliedFolders", "archive_too_large", "more than 1000 folders",
     tar_with([](auto& tar) {
       for (int i = 0; i < 10; ++i) tar.file(std::to_string(i) + "/" + deep_path(900));
     })},
    {"TooLongAPath", "archive_too_large", "1024",
     tar_with([](auto& tar) { tar.file(deep_path(1024)); })},
    {"TooLongAName", "archive_too_large", "255",
     tar_with([](auto& tar) { tar.file(std::string(256, 'x')); })},
    {"TooLongATarget", "archive_too_large", "1024",
     tar_with([](auto& tar) { tar.symlink("app/l", deep_path(1024)); })},
    {"TooManyPackedBytes", "archive_too_large", "larger than 4000000",
     [] { return gzip(std::string(4'000'001, '\0'), 0); }},
    {"GzipBomb", "archive_too_large", "inflates to more than 20000000",
     [] { return gzip_bomb("", 30'000'000); }},
    {"TarBombOfOneFile", "archive_too_large", "unpacks to more than 20000000",
     [] {
       TarBuilder tar;
       tar.header({.name = "x", .size = 30'000'000});
       return gzip_bomb(tar.unfinished(), 30'000'000);
     }},
    {"GzipBombBehindTheEndOfTar", "archive_too_large", "inflates to more than",
     [] { return gzip_bomb(TarBuilder().file("x").tar(), 30'000'000); }},
    {"SparseBomb", "archive_too_large", "unpacks to more than",
     tar_with([](auto& tar) { tar.sparse_file("app/s", 1ULL << 40, 0, "x"); })},
    {"ManySparseFiles", "archive_too_large", "unpacks to more than", tar_with([](auto& tar) {
       for (int i = 0; i < 3; ++i) tar.sparse_file("app/s", 8'000'000, 0, "x");
     })},
    {"SparseMapOfMegabytes", "bad_archive", "several megabytes",
     [] {
       TarBuilder tar;
       tar.pax({{"GNU.sparse.major", "1"},
                {"GNU.sparse.minor", "0"},
                {"GNU.sparse.name", "s"},
                {"GNU.sparse.realsize", "4"}});
       std::string map = "9999999\n";
       while (map.size() < 6'000'000) map += "0\n0\n";
       return tar.file("s", map).tgz();
     }},
};

auto name_of = [](const auto& param) { return param.param.name; };
INSTANTIATE_TEST_SUITE_P(Broken, HostileArchive, ::testing::ValuesIn(kBroken), name_of);
INSTANTIATE_TEST_SUITE_P(Escaping, HostileArchive, ::testing::ValuesIn(kEscaping), name_of);
INSTANTIATE_TEST_SUITE_P(TooLarge, HostileArchive, ::testing::ValuesIn(kTooLarge), name_of);

TEST(ArchiveLimits, DefaultsRefuse100001EntriesAndTake100000) {
  TarBuilder tar;
  for (int i = 0; i < 100'000; ++i) tar.header({.name = "app/" + std::to_string(i)});
  auto full = list(tar.tgz(1));
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->entries.size(), 100'000U);
  tar.header({.name = "one too many"});
  EXPECT_EQ(list(tar.tgz(1)).error().reason, "archive_too_large");
}

TEST(ArchiveLimits, DefaultsRefuseMoreThan50MiBPacked) {
  std::string tgz = gzip(TarBuilder().file("x", std::string(50 * 1024 * 1024, 'x')).tar(), 0);
  auto listing = list(tgz);
  ASSERT_FALSE(listing);
  EXPECT_EQ(listing.error().message, "the archive is larger than 52428800 bytes");
}

TEST(ArchiveLimits, ExactlyTheLimitOfPackedBytesIsTaken) {
  std::string tgz = make_tgz({{"x", "content"}});
  EXPECT_TRUE(list(tgz, {.packed_bytes = tgz.size()}));
  EXPECT_FALSE(list(tgz, {.packed_bytes = tgz.size() - 1}));
}

TEST(ArchiveLimits, ExactlyTheLimitOfUnpackedBytesIsTaken) {
  std::string tar = TarBuilder().file("x", "content").tar();
  EXPECT_TRUE(list(gzip(tar), {.unpacked_bytes = tar.size()}));
  EXPECT_FALSE(list(gzip(tar), {.unpacked_bytes = tar.size() - 1}));
}

}  // namespace
}  // namespace vibed::testing
