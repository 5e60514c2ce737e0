// SQLite with owners: a connection, a query, a transaction, and the migrations of a database.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "vibed/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace vibed::sql {

// What a statement's ? stands for.
using Value = std::variant<std::int64_t, std::string_view>;

// When a commit is on the disk. Both keep the database whole through a power cut, and a later
// `full` commit also brings earlier `normal` ones to the disk.
enum class Sync {
  full,    // when it returns: one fsync of the write-ahead log
  normal,  // at some later time; it survives the end of the process, not a power cut
};

// One run of a statement. The connection outlives it; one query of the same text at a time.
class Query {
 public:
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;
  ~Query();

  // Moves to the next row; false at the end.
  Result<bool> next();

  // Of the current row, columns from 0.
  std::int64_t number(int column) const;
  std::string text(int column) const;

 private:
  friend class Connection;
  explicit Query(sqlite3_stmt* statement) : statement_(statement) {}
  sqlite3_stmt* statement_;  // of the connection
};

// An open database. One thread at a time.
//
// Errors: storage_full when the disk is, `already_exists` for a broken UNIQUE, `unavailable` when
// another process holds the database for five seconds, `invalid_argument` for a file that is no
// database, else `internal`.
class Connection {
 public:
  // Opens the database at `path` in write-ahead-log mode; one made now is readable by its owner
  // only.
  static Result<Connection> open(const std::string& path);

  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  // Prepares `sql` (kept for the next time) and binds `values` to its ?s; the text of a value must
  // live as long as the query.
  Result<Query> query(std::string_view sql, std::initializer_list<Value> values = {});

  // Runs one statement to its end.
  Status run(std::string_view sql, std::initializer_list<Value> values = {});

  // Runs several statements separated by ';'.
  Status run_script(std::string_view sql);

  // The first column of the first row, 0 if there is none.
  Result<std::int64_t> number(std::string_view sql, std::initializer_list<Value> values = {});

  // How the commits that follow reach the disk. Not inside a transaction.
  Status set_sync(Sync sync);

 private:
  explicit Connection(sqlite3* handle);
  Result<sqlite3_stmt*> prepare(std::string_view sql);
  Error error(std::string_view action) const;

  sqlite3* handle_ = nullptr;
  Sync sync_ = Sync::full;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

// A transaction; rolled back in its destructor unless it was committed.
class Transaction {
 public:
  static Result<Transaction> begin(Connection& connection);

  // For statements that shall all read one moment; not to be written in.
  static Result<Transaction> begin_read(Connection& connection);

  Transaction(Transaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  Status commit();

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}
  Connection* connection_;
};

// Brings a database from its user_version n to steps.size() by running steps[n], steps[n+1] … in
// one transaction; fails with data_too_new when it is beyond that already. Steps are only ever
// appended.
Status migrate(Connection& connection, std::span<const std::string_view> steps);

}  // namespace vibed::sql
