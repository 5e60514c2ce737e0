#include "sql/sqlite.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <fstream>

#include "support/temp_dir.hpp"

namespace vibed::sql {
namespace {

constexpr std::array<std::string_view, 2> kSteps = {
    "CREATE TABLE a (x INTEGER UNIQUE, y TEXT)", "ALTER TABLE a ADD COLUMN z TEXT DEFAULT 'new'"};

class Sqlite : public ::testing::Test {
 protected:
  Connection open() {
    auto opened = Connection::open(dir_ / "db");
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }

  vibed::testing::TempDir dir_;
};

TEST_F(Sqlite, ValuesComeBackAsTheyWentIn) {
  Connection db = open();
  ASSERT_TRUE(migrate(db, kSteps));
  std::string_view nul("a\0b", 3);
  ASSERT_TRUE(db.run("INSERT INTO a (x, y) VALUES (?, ?)", {INT64_MIN, nul}));
  ASSERT_TRUE(db.run("INSERT INTO a (x, y) VALUES (?, ?)", {std::int64_t{7}, std::string_view()}));
  auto rows = db.query("SELECT x, y, y IS NULL FROM a ORDER BY x");
  ASSERT_TRUE(rows);
  ASSERT_TRUE(*rows->next());
  EXPECT_EQ(rows->number(0), INT64_MIN);
  EXPECT_EQ(rows->text(1), nul);
  ASSERT_TRUE(*rows->next());
  EXPECT_EQ(rows->text(1), "");
  EXPECT_EQ(rows->number(2), 0) << "an empty text is not NULL";
  EXPECT_FALSE(*rows->next());
}

TEST_F(Sqlite, ATransactionThatIsNotCommittedLeavesNothing) {
  Connection db = open();
  ASSERT_TRUE(migrate(db, kSteps));
  {
    auto transaction = Transaction::begin(db);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db.run("INSERT INTO a (x) VALUES (1)"));
  }
  EXPECT_EQ(*db.number("SELECT count(*) FROM a"), 0);
  auto transaction = Transaction::begin(db);
  ASSERT_TRUE(db.run("INSERT INTO a (x) VALUES (1)"));
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(*db.number("SELECT count(*) FROM a"), 1);
}

TEST_F(Sqlite, ABrokenUniqueIsAlreadyExistsAndTheStatementStaysUsable) {
  Connection db = open();
  ASSERT_TRUE(migrate(db, kSteps));
  ASSERT_TRUE(db.run("INSERT INTO a (x) VALUES (?)", {std::int64_t{1}}));
  EXPECT_EQ(db.run("INSERT INTO a (x) VALUES (?)", {std::int64_t{1}}).error().code,
            Errc::already_exists);
  EXPECT_TRUE(db.run("INSERT INTO a (x) VALUES (?)", {std::int64_t{2}}));
}

TEST_F(Sqlite, WrongSqlIsAnError) {
  Connection db = open();
  EXPECT_EQ(db.run("SELEC 1").error().code, Errc::internal);
  EXPECT_EQ(db.run("SELECT 1", {std::int64_t{1}}).error().code, Errc::internal);
}

TEST_F(Sqlite, MigrationsRunOnceAndOnlyForward) {
  {
    Connection db = open();
    ASSERT_TRUE(migrate(db, std::span(kSteps).first(1)));
    ASSERT_TRUE(db.run("INSERT INTO a (x) VALUES (1)"));
  }
  {
    Connection db = open();
    ASSERT_TRUE(migrate(db, kSteps));
    ASSERT_TRUE(migrate(db, kSteps));
    EXPECT_EQ(db.query("SELECT z FROM a")->next().ok(), true);
  }
  Connection db = open();
  Status old = migrate(db, std::span(kSteps).first(1));
  EXPECT_EQ(old.error().reason, "data_too_new");
  EXPECT_EQ(*db.number("PRAGMA user_version"), 2);
}

TEST_F(Sqlite, AFailingMigrationChangesNothing) {
  constexpr std::array<std::string_view, 2> kBroken = {"CREATE TABLE b (x)", "CREATE NONSENSE"};
  Connection db = open();
  EXPECT_FALSE(migrate(db, kBroken));
  EXPECT_EQ(*db.number("PRAGMA user_version"), 0);
  EXPECT_EQ(*db.number("SELECT count(*) FROM sqlite_master"), 0);
}

TEST_F(Sqlite, AFileThatIsNoDatabaseIsRefused) {
  std::ofstream(dir_ / "db") << std::string(4096, 'x');
  EXPECT_EQ(Connection::open(dir_ / "db").error().code, Errc::invalid_argument);
}

TEST_F(Sqlite, AFolderThatIsNotThereIsNotFound) {
  EXPECT_EQ(Connection::open(dir_ / "none/db").error().code, Errc::not_found);
}

TEST_F(Sqlite, TheDatabaseAndItsLogBelongToTheOwnerAlone) {
  Connection db = open();
  ASSERT_TRUE(migrate(db, kSteps));
  for (const char* name : {"db", "db-wal", "db-shm"}) {
    struct stat info {};
    ASSERT_EQ(::stat((dir_ / name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(Sqlite, ASecondConnectionReadsWhileTheFirstWrites) {
  Connection writer = open();
  ASSERT_TRUE(migrate(writer, kSteps));
  Connection reader = open();
  auto transaction = Transaction::begin(writer);
  ASSERT_TRUE(writer.run("INSERT INTO a (x) VALUES (1)"));
  EXPECT_EQ(*reader.number("SELECT count(*) FROM a"), 0);
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(*reader.number("SELECT count(*) FROM a"), 1);
}

}  // namespace
}  // namespace vibed::sql
