/*
 * The floor: what the work of the benchmarks costs in C on the same SQLite, with
 * nothing around it. It opens a copy of the file that the benchmarks made, so tables,
 * keys, values and pages are the same, and takes the keys in the same order.
 *
 *   floor FILE KEYS
 *
 * reads lines "WORK MILLISECONDS" from its standard input, does the work for about that
 * long, and answers each with "OPERATIONS WALL_NS CPU_NS". CPU is that of the process,
 * user and system.
 *
 * The works:
 *   point_read   read the clock, bind the key, step, look at the expiry, copy key,
 *                value, encoding and version out, reset
 *   list_N       the same with a range from a key on, for N entries
 *   commit       begin immediate, read data_version, upsert 100 bytes, update
 *                data_version, commit with synchronous=FULL
 *   commit_50    the same with 50 upserts, each of a version of its own; an operation is
 *                one upsert
 *   save_50      the same with a savepoint for each upsert
 *   lean_50      the same without savepoints, and with the upsert of the server, which
 *                leaves the index on the expiry alone
 *
 * That is what SQLite has to do for a server, and less: no condition on the expiry in
 * SQL, no memory handed to anybody, nobody to be told of the outcome.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "sqlite3-binding.h"

enum {
  KEY_BYTES = 13, /* 02 "key" 8 digits 00 */
  VALUE_BYTES = 100,
  STRIDE = 7919, /* a prime: the n-th operation is on key n * STRIDE mod KEYS */
  MAX_ENTRIES = 1000,
  MAX_KEYS = 100000000, /* 8 digits */
  OPS_BETWEEN_CLOCKS = 32
};

#define UPSERT                                                                                      \
  "insert into kv (k, v, v_encoding, version, expiration_ms) values (?1, ?2, 3, ?3, -1) on conflict" \
  " (k) do update set v = excluded.v, v_encoding = excluded.v_encoding, version = excluded.version"

/* entry is what a read hands out. */
typedef struct {
  char key[KEY_BYTES];
  char value[VALUE_BYTES];
  int64_t encoding;
  int64_t version;
} entry;

static sqlite3 *readers, *writers; /* the two connections */
static sqlite3_stmt *get, *list, *begin, *version, *plain_upsert, *lean_upsert, *update, *commit, *savepoint, *release;
static char *keys;
static int64_t key_count;
static entry out[MAX_ENTRIES];

static void fail(sqlite3 *db, const char *op) {
  fprintf(stderr, "floor: %s: %s\n", op, db ? sqlite3_errmsg(db) : "failed");
  exit(1);
}

static int64_t clock_ns(clockid_t id) {
  struct timespec t;
  if (clock_gettime(id, &t) != 0) fail(NULL, "clock");
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t cpu_ns(void) {
  struct rusage u;
  if (getrusage(RUSAGE_SELF, &u) != 0) fail(NULL, "getrusage");
  return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
         ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static char *key_at(int64_t i) { return keys + i * KEY_BYTES; }

static sqlite3 *open_file(const char *path, const char *pragmas) {
  sqlite3 *db = NULL;
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) fail(db, "open");
  if (sqlite3_exec(db, pragmas, NULL, NULL, NULL) != SQLITE_OK) fail(db, pragmas);
  return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK) fail(db, sql);
  return stmt;
}

/* copy_out takes the entry at which the statement stands; it reports 0 if that expired. */
static int copy_out(sqlite3_stmt *stmt, entry *e, int64_t now_ms) {
  int64_t expiration_ms = sqlite3_column_int64(stmt, 4);
  if (expiration_ms >= 0 && expiration_ms <= now_ms) return 0;
  const void *key = sqlite3_column_blob(stmt, 0);
  const void *value = sqlite3_column_blob(stmt, 1);
  if (sqlite3_column_bytes(stmt, 0) != KEY_BYTES || sqlite3_column_bytes(stmt, 1) != VALUE_BYTES) fail(NULL, "lengths");
  memcpy(e->key, key, KEY_BYTES);
  memcpy(e->value, value, VALUE_BYTES);
  e->encoding = sqlite3_column_int64(stmt, 2);
  e->version = sqlite3_column_int64(stmt, 3);
  return 1;
}

static void point_read(int64_t i) {
  int64_t now_ms = clock_ns(CLOCK_REALTIME) / 1000000;
  sqlite3_bind_blob(get, 1, key_at(i * STRIDE % key_count), KEY_BYTES, SQLITE_STATIC);
  if (sqlite3_step(get) != SQLITE_ROW || !copy_out(get, &out[0], now_ms)) fail(readers, "point read");
  sqlite3_reset(get);
}

static void list_of(int64_t i, int entries) {
  int64_t now_ms = clock_ns(CLOCK_REALTIME) / 1000000;
  sqlite3_bind_blob(list, 1, key_at(i * STRIDE % (key_count - entries)), KEY_BYTES, SQLITE_STATIC);
  sqlite3_bind_blob(list, 2, "\xff", 1, SQLITE_STATIC);
  for (int n = 0; n < entries;) {
    if (sqlite3_step(list) != SQLITE_ROW) fail(readers, "list");
    n += copy_out(list, &out[n], now_ms);
  }
  sqlite3_reset(list);
}

static void run(sqlite3_stmt *stmt, const char *op) {
  int status = sqlite3_step(stmt);
  if (status != SQLITE_DONE && status != SQLITE_ROW) fail(writers, op);
}

static void commit_of(int64_t i, int writes, int savepoints, sqlite3_stmt *upsert) {
  static const char value[VALUE_BYTES];
  run(begin, "begin");
  sqlite3_reset(begin);
  run(version, "version");
  int64_t current = sqlite3_column_int64(version, 0);
  sqlite3_reset(version);
  for (int n = 0; n < writes; n++) {
    if (savepoints) {
      run(savepoint, "savepoint");
      sqlite3_reset(savepoint);
    }
    sqlite3_bind_blob(upsert, 1, key_at((i + n) * STRIDE % key_count), KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_blob(upsert, 2, value, VALUE_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(upsert, 3, ++current);
    run(upsert, "upsert");
    sqlite3_reset(upsert);
    if (savepoints) {
      run(release, "release");
      sqlite3_reset(release);
    }
  }
  sqlite3_bind_int64(update, 1, current);
  run(update, "update");
  sqlite3_reset(update);
  run(commit, "commit");
  sqlite3_reset(commit);
}

/* work does one step of the kind named, from operation i on, and tells how many
 * operations it was; 0 if there is no such work. */
static int work(const char *name, int64_t i) {
  int n = 0;
  if (strcmp(name, "point_read") == 0) {
    for (; n < OPS_BETWEEN_CLOCKS; n++) point_read(i + n);
    return n;
  }
  if (sscanf(name, "list_%d", &n) == 1 && n >= 1 && n <= MAX_ENTRIES && n < key_count) {
    int entries = n;
    for (n = 0; n < OPS_BETWEEN_CLOCKS; n++) list_of(i + n, entries);
    return n;
  }
  if (strcmp(name, "commit") == 0) n = 1;
  int save = strcmp(name, "save_50") == 0, lean = strcmp(name, "lean_50") == 0;
  if (save || lean || strcmp(name, "commit_50") == 0) n = 50;
  if (n > 0) commit_of(i, n, save, lean ? lean_upsert : plain_upsert);
  return n;
}

int main(int argc, char **argv) {
  if (argc != 3 || (key_count = atoll(argv[2])) < 1 || key_count > MAX_KEYS) {
    fprintf(stderr, "usage: floor FILE KEYS\n");
    return 2;
  }
  if ((keys = malloc(key_count * KEY_BYTES)) == NULL) fail(NULL, "malloc");
  for (int64_t i = 0; i < key_count; i++) {
    sprintf(key_at(i), "\x02key%08lld", (long long)i); /* the zero at its end is the last byte */
  }
  writers = open_file(argv[1], "pragma journal_mode=wal; pragma synchronous=full; pragma cache_size=-65536");
  readers = open_file(argv[1], "pragma query_only=true; pragma cache_size=-65536");
  get = prepare(readers, "select k, v, v_encoding, version, expiration_ms from kv where k = ?1");
  list = prepare(readers, "select k, v, v_encoding, version, expiration_ms from kv where k >= ?1 and k < ?2 order by k");
  begin = prepare(writers, "begin immediate");
  version = prepare(writers, "select version from data_version where k = 0");
  plain_upsert = prepare(writers, UPSERT ", expiration_ms = excluded.expiration_ms");
  lean_upsert = prepare(writers, UPSERT " where expiration_ms = excluded.expiration_ms");
  update = prepare(writers, "update data_version set version = ?1 where k = 0");
  commit = prepare(writers, "commit");
  savepoint = prepare(writers, "savepoint one");
  release = prepare(writers, "release one");

  char name[32];
  long long ms;
  int64_t next = 0;
  while (scanf("%31s %lld", name, &ms) == 2) {
    int64_t ops = 0, wall = clock_ns(CLOCK_MONOTONIC), cpu = cpu_ns(), until = wall + ms * 1000000;
    do {
      int n = work(name, next);
      if (n == 0) fail(NULL, name);
      ops += n;
      next += n;
    } while (clock_ns(CLOCK_MONOTONIC) < until);
    cpu = cpu_ns() - cpu;
    wall = clock_ns(CLOCK_MONOTONIC) - wall;
    printf("%lld %lld %lld\n", (long long)ops, (long long)wall, (long long)cpu);
    fflush(stdout);
  }
  return 0;
}
