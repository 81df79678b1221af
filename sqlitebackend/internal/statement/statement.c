#include "statement.h"

#include <stdlib.h>
#include <string.h>

// MAX_BYTES is far beyond what a read of the protocol's limits gives. A file that was
// made elsewhere may hold more.
#define MAX_BYTES ((size_t)1 << 30)

int kv_prepare(sqlite3 *db, const char *query, int query_length, int expiry_column, kv_statement *statement) {
  memset(statement, 0, sizeof *statement);
  statement->db = db;
  statement->expiry_column = expiry_column;
  int code = sqlite3_prepare_v3(db, query, query_length, SQLITE_PREPARE_PERSISTENT, &statement->stmt, NULL);
  if (code == SQLITE_OK) {
    statement->columns = sqlite3_column_count(statement->stmt);
  }
  return code;
}

void kv_finalize(kv_statement *statement) {
  sqlite3_finalize(statement->stmt);
  free(statement->bytes);
  memset(statement, 0, sizeof *statement);
}

void kv_release(kv_statement *statement, size_t keep) {
  if (statement->capacity > keep) {
    free(statement->bytes);
    statement->bytes = NULL;
    statement->capacity = 0;
  }
}

// reserve makes room for more bytes behind those that are there.
static int reserve(kv_statement *statement, size_t more) {
  size_t needed = statement->length + more;
  if (needed > MAX_BYTES) {
    return SQLITE_TOOBIG;
  }
  if (needed <= statement->capacity) {
    return SQLITE_OK;
  }
  size_t capacity = statement->capacity < 1024 ? 1024 : statement->capacity * 2;
  if (capacity < needed) {
    capacity = needed;
  }
  unsigned char *bytes = realloc(statement->bytes, capacity);
  if (bytes == NULL) {
    return SQLITE_NOMEM;
  }
  statement->bytes = bytes;
  statement->capacity = capacity;
  return SQLITE_OK;
}

static int pack(kv_statement *statement, sqlite3_value *value) {
  int type = sqlite3_value_type(value);
  long long number;
  unsigned int length;
  const void *content = NULL;
  switch (type) {
  case SQLITE_INTEGER:
    number = sqlite3_value_int64(value);
    content = &number;
    length = sizeof number;
    break;
  case SQLITE_BLOB:
    content = sqlite3_value_blob(value);
    length = (unsigned int)sqlite3_value_bytes(value);
    if (content == NULL && length > 0) {
      return SQLITE_NOMEM;
    }
    break;
  default: // no column of ours holds another type; the type alone tells that one does
    length = 0;
    break;
  }
  int code = reserve(statement, 1 + sizeof length + length);
  if (code != SQLITE_OK) {
    return code;
  }
  unsigned char *out = statement->bytes + statement->length;
  out[0] = (unsigned char)type;
  memcpy(out + 1, &length, sizeof length);
  if (length > 0) {
    memcpy(out + 1 + sizeof length, content, length);
  }
  statement->length += 1 + sizeof length + length;
  return SQLITE_OK;
}

// has_expired looks at the one column that tells, if there is one.
static int has_expired(kv_statement *statement, long long now) {
  if (statement->expiry_column == NO_COLUMN) {
    return 0;
  }
  sqlite3_value *value = sqlite3_column_value(statement->stmt, statement->expiry_column);
  if (sqlite3_value_type(value) != SQLITE_INTEGER) {
    return 0; // for the reader of the row to find
  }
  long long expiry = sqlite3_value_int64(value);
  return expiry >= 0 && expiry <= now;
}

// step_all takes the values as SQLite has them, not by the functions for columns, which
// look after each other thread: nobody else uses the connection.
static int step_all(kv_statement *statement, long long now, int limit) {
  do {
    int code = sqlite3_step(statement->stmt);
    if (code == SQLITE_DONE) {
      return SQLITE_OK;
    }
    if (code != SQLITE_ROW) {
      return code;
    }
    if (has_expired(statement, now)) {
      continue;
    }
    for (int column = 0; column < statement->columns; column++) {
      code = pack(statement, sqlite3_column_value(statement->stmt, column));
      if (code != SQLITE_OK) {
        return code;
      }
    }
    statement->rows++;
  } while (statement->rows < limit);
  return SQLITE_OK;
}

// bind_blob binds without a copy: the bytes outlive the run, and no other run sees them,
// because each binds all parameters. An empty blob needs an address too, or it would be a
// null.
static int bind_blob(sqlite3_stmt *stmt, int parameter, const char *bytes, int length) {
  return sqlite3_bind_blob(stmt, parameter, length > 0 ? bytes : "", length, SQLITE_STATIC);
}

static int bind_all(sqlite3_stmt *stmt, int blobs, const char *blob1, int length1, const char *blob2, int length2,
                    int integers, long long integer1, long long integer2, long long integer3) {
  const char *bytes[2] = {blob1, blob2};
  int lengths[2] = {length1, length2};
  long long numbers[3] = {integer1, integer2, integer3};
  for (int i = 0; i < blobs; i++) {
    int code = bind_blob(stmt, i + 1, bytes[i], lengths[i]);
    if (code != SQLITE_OK) {
      return code;
    }
  }
  for (int i = 0; i < integers; i++) {
    int code = sqlite3_bind_int64(stmt, blobs + i + 1, numbers[i]);
    if (code != SQLITE_OK) {
      return code;
    }
  }
  return SQLITE_OK;
}

int kv_run(kv_statement *statement, int blobs, const char *blob1, int length1, const char *blob2, int length2,
           int integers, long long integer1, long long integer2, long long integer3, long long now, int limit) {
  statement->rows = 0;
  statement->length = 0;
  int code = bind_all(statement->stmt, blobs, blob1, length1, blob2, length2, integers, integer1, integer2, integer3);
  if (code == SQLITE_OK) {
    code = step_all(statement, now, limit);
  }
  int reset = sqlite3_reset(statement->stmt);
  statement->changed = sqlite3_changes(statement->db); // which a statement cut short knows only now
  return code != SQLITE_OK ? code : reset;
}

static int store_pages(void *pages, sqlite3 *db, const char *schema, int count) {
  (void)db;
  (void)schema;
  *(int *)pages = count;
  return SQLITE_OK;
}

void kv_count_wal(sqlite3 *db, int *pages) { sqlite3_wal_hook(db, store_pages, pages); }

int kv_keep_wal(sqlite3 *db) { return sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0); }
