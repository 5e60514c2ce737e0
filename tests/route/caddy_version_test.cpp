#include "route/caddy_version.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/files.hpp"
#include "support/temp_dir.hpp"

namespace vibed::route {
namespace {

using testing::TempDir;

TEST(CaddyVersion, ReadsWhatReleasesPrint) {
  EXPECT_EQ(parse_caddy_version("v2.11.9 h1:abc=\n"), (CaddyVersion{2, 11, 9}));
  EXPECT_EQ(parse_caddy_version("v2.11.9 v2.11.9 h1:abc=\n"), (CaddyVersion{2, 11, 9}));
}

TEST(CaddyVersion, ReadsWhatDebianPrints) {
  EXPECT_EQ(parse_caddy_version("2.6.2\n"), (CaddyVersion{2, 6, 2}));
  EXPECT_EQ(parse_caddy_version("v2.10"), (CaddyVersion{2, 10, 0}));
}

TEST(CaddyVersion, OfABuildWithoutOneIsUnknown) {
  EXPECT_FALSE(parse_caddy_version("unknown\n").known());
  EXPECT_FALSE(parse_caddy_version("(devel)").known());
  EXPECT_FALSE(parse_caddy_version("").known());
  EXPECT_FALSE(parse_caddy_version("v").known());
  EXPECT_EQ(to_string(CaddyVersion{}), "unknown");
}

TEST(CaddyVersion, KnowsWhatEachCanDo) {
  EXPECT_FALSE((CaddyVersion{2, 6, 2}).keeps_streams());
  EXPECT_TRUE((CaddyVersion{2, 7, 0}).keeps_streams());
  EXPECT_FALSE((CaddyVersion{2, 10, 2}).keeps_body());
  EXPECT_TRUE((CaddyVersion{2, 11, 9}).keeps_body());
  EXPECT_FALSE(CaddyVersion{}.keeps_streams());
}

// A program that prints what the real one would.
void write_fake(const std::string& path, const std::string& script) {
  ASSERT_TRUE(write_file(path, "#!/bin/sh\n" + script, Durability::unsynced, 0755));
}

TEST(FindCaddy, TakesTheFirstOfTheSearchPath) {
  const TempDir folder;
  write_fake(folder / "caddy", "echo v2.9.1 h1:x\n");
  auto found = find_caddy("", "/nonexistent:" + folder.path() + ":/usr/bin");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->path, folder / "caddy");
  EXPECT_EQ(found->version, (CaddyVersion{2, 9, 1}));
}

TEST(FindCaddy, OfAGivenProgramThatIsMissingSaysWhich) {
  auto found = find_caddy("/nonexistent/caddy", "");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("/nonexistent/caddy"), std::string::npos);
}

TEST(FindCaddy, OfAProgramThatFailsFails) {
  const TempDir folder;
  write_fake(folder / "caddy", "exit 3\n");
  EXPECT_FALSE(find_caddy(folder / "caddy", ""));
}

}  // namespace
}  // namespace vibed::route
