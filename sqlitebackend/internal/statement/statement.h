#ifndef KVCONNECT_STATEMENT_H
#define KVCONNECT_STATEMENT_H

#include <stddef.h>

#include "sqlite3.h"

#define NO_COLUMN -1

// kv_statement is a prepared statement with room for the rows of its last run. Each
// column is packed as its type, in a byte, the length of its content, in 4, and the
// content: the 8 bytes of an integer, those of a blob, none of another type.
typedef struct {
  sqlite3 *db;
  sqlite3_stmt *stmt;
  int columns;
  int expiry_column;    // rows that it says have expired are left out; or NO_COLUMN
  int rows;             // of the last run
  int changed;          // rows that the last run changed, if it is of a kind that does
  unsigned char *bytes; // the rows, packed
  size_t length;
  size_t capacity;
} kv_statement;

int kv_prepare(sqlite3 *db, const char *query, int query_length, int expiry_column, kv_statement *statement);

// kv_run binds the blobs to the first parameters and the integers to those after
// them, steps until there are limit rows that have not expired by now, at least once, and
// resets the statement.
int kv_run(kv_statement *statement, int blobs, const char *blob1, int length1, const char *blob2, int length2,
           int integers, long long integer1, long long integer2, long long integer3, long long now, int limit);

// kv_release frees the room for rows if it is larger than keep bytes.
void kv_release(kv_statement *statement, size_t keep);

void kv_finalize(kv_statement *statement);

// kv_count_wal has SQLite store the number of pages in the WAL after each commit of
// the connection, and takes the place of its own checkpoints.
void kv_count_wal(sqlite3 *db, int *pages);

// kv_keep_wal makes the end of the connection leave the WAL as it is.
int kv_keep_wal(sqlite3 *db);

#endif
