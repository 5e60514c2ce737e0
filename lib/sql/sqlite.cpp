#include "sql/sqlite.hpp"

#include <fcntl.h>
#include <sqlite3.h>

#include "base/error_codes.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"

namespace vibed::sql {
namespace {

constexpr int kBusyMilliseconds = 5000;

Error error_of(sqlite3* handle, std::string_view action) {
  int code = handle == nullptr ? SQLITE_NOMEM : sqlite3_errcode(handle);
  const char* text = handle == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle);
  std::string message = std::string(action) + ": " + text;
  switch (code & 0xff) {
    case SQLITE_FULL: return make_error("storage_full", message);
    case SQLITE_CONSTRAINT: return {Errc::already_exists, message};
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return {Errc::unavailable, message};
    case SQLITE_NOTADB: return {Errc::invalid_argument, message};
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY: return {Errc::permission_denied, message};
    default: return {Errc::internal, message};
  }
}

// SQLite would make the file readable by all; its log and index take over the file's mode.
Status make_private_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return errno_error("open " + path);
  std::size_t slash = path.rfind('/');
  return sync_directory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

}  // namespace

Query::Query(Query&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Result<bool> Query::next() {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return error_of(sqlite3_db_handle(statement_), "read the database");
}

std::int64_t Query::number(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Query::text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return {reinterpret_cast<const char*>(text), size};
}

Connection::Connection(sqlite3* handle) : handle_(handle) {}

Connection::Connection(Connection&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      sync_(other.sync_),
      statements_(std::exchange(other.statements_, {})) {}

Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(sync_, other.sync_);
  std::swap(statements_, other.statements_);
  return *this;
}

Connection::~Connection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Result<Connection> Connection::open(const std::string& path) {
  if (Status made = make_private_file(path); !made) return std::move(made).error();
  sqlite3* handle = nullptr;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  Connection connection(handle);
  if (code != SQLITE_OK) return connection.error("open " + path);
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  sqlite3_extended_result_codes(handle, 0);
  // Below NORMAL a checkpoint would not sync: a status write could then take synced records along.
  Status ready = connection.run_script("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  if (!ready) return std::move(ready).error().during("open " + path);
  return connection;
}

Error Connection::error(std::string_view action) const { return error_of(handle_, action); }

Result<sqlite3_stmt*> Connection::prepare(std::string_view sql) {
  auto at = statements_.find(sql);
  if (at != statements_.end()) return at->second;
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return error("prepare \"" + std::string(sql) + "\"");
  statements_.emplace(sql, statement);
  return statement;
}

Result<Query> Connection::query(std::string_view sql, std::initializer_list<Value> values) {
  auto statement = prepare(sql);
  if (!statement) return std::move(statement).error();
  Query query(*statement);
  int index = 0;
  for (const Value& value : values) {
    ++index;
    int code = SQLITE_OK;
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      code = sqlite3_bind_int64(*statement, index, *number);
    } else {
      std::string_view text = std::get<std::string_view>(value);
      // A null pointer would bind NULL.
      const char* data = text.data() == nullptr ? "" : text.data();
      code = sqlite3_bind_text64(*statement, index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    if (code != SQLITE_OK) return error("bind a value");
  }
  return query;
}

Status Connection::run(std::string_view sql, std::initializer_list<Value> values) {
  auto started = query(sql, values);
  if (!started) return std::move(started).error();
  for (;;) {
    auto row = started->next();
    if (!row) return std::move(row).error();
    if (!*row) return success();
  }
}

Status Connection::run_script(std::string_view sql) {
  std::string text(sql);
  int code = sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? success() : error("write the database");
}

Result<std::int64_t> Connection::number(std::string_view sql, std::initializer_list<Value> values) {
  auto started = query(sql, values);
  if (!started) return std::move(started).error();
  auto row = started->next();
  if (!row) return std::move(row).error();
  return *row ? started->number(0) : 0;
}

Status Connection::set_sync(Sync sync) {
  if (sync == sync_) return success();
  Status set =
      run(sync == Sync::full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  if (set) sync_ = sync;
  return set;
}

Result<Transaction> Transaction::begin(Connection& connection) {
  if (Status begun = connection.run("BEGIN IMMEDIATE"); !begun) return std::move(begun).error();
  return Transaction(connection);
}

Result<Transaction> Transaction::begin_read(Connection& connection) {
  if (Status begun = connection.run("BEGIN"); !begun) return std::move(begun).error();
  return Transaction(connection);
}

Transaction::~Transaction() {
  // A failure means that SQLite has rolled back by itself.
  if (connection_ != nullptr) (void)connection_->run("ROLLBACK");
}

Status Transaction::commit() {
  Status done = connection_->run("COMMIT");
  if (done) connection_ = nullptr;
  return done;
}

Status migrate(Connection& connection, std::span<const std::string_view> steps) {
  auto transaction = Transaction::begin(connection);
  if (!transaction) return std::move(transaction).error();
  auto version = connection.number("PRAGMA user_version");
  if (!version) return std::move(version).error();
  auto newest = static_cast<std::int64_t>(steps.size());
  if (*version > newest) {
    return make_error("data_too_new", "a newer vibed has written it: it has version " +
                                          std::to_string(*version) + ", this vibed knows " +
                                          std::to_string(newest));
  }
  if (*version == newest) return success();
  for (auto i = static_cast<std::size_t>(*version); i < steps.size(); ++i) {
    if (Status done = connection.run_script(steps[i]); !done) return done;
  }
  Status named = connection.run_script("PRAGMA user_version = " + std::to_string(newest));
  return named ? transaction->commit() : named;
}

}  // namespace vibed::sql
