// Appends to a file, in order, every operation by which the program that this library
// is preloaded into (LD_PRELOAD) changes one SQLite database or makes a change of it
// durable. powerloss_trace_test.go reads that file.
//
// TRACE_DATABASE is the absolute path of the database. Its WAL, its rollback journal
// and the folder that they are in are traced too; the shared memory (-shm) is not, for
// it means nothing once the machine has stopped. TRACE_FILE is the file to append to.
//
// An operation is noted once it is done, but a sync twice: before it begins and once it
// is done. So what was noted before a sync began is durable when its end is noted.
//
// It knows the functions by which SQLite does this, in the C library of GNU.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MAX_FILES = 4096 };

// One operation. In the file a payload follows: of a write the data, of opening and
// unlinking the path.
struct record {
  uint64_t operation;
  uint64_t inode;  // 0 for the folder
  uint64_t offset; // of truncating the new size, of a sync its number
  uint64_t payload_bytes;
};

enum { UNTRACED, DATABASE, FOLDER };

static struct {
  int kind;
  uint64_t inode;
} files[MAX_FILES]; // by descriptor; one is changed only by who opens or closes it

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; // orders what is noted
static uint64_t syncs;                                    // guarded by mutex
static const char *database;
static int trace = -1;

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_ftruncate)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);

static void fail(const char *what) {
  perror(what);
  abort();
}

static void *next(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) fail(name);
  return found;
}

__attribute__((constructor)) static void start(void) {
  real_open = next("open64");
  real_close = next("close");
  real_pwrite = next("pwrite64");
  real_ftruncate = next("ftruncate64");
  real_fsync = next("fsync");
  real_fdatasync = next("fdatasync");
  real_unlink = next("unlink");
  database = getenv("TRACE_DATABASE");
  const char *path = getenv("TRACE_FILE");
  if (!database || !path) fail("TRACE_DATABASE or TRACE_FILE is not set");
  trace = real_open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (trace < 0) fail(path);
}

static void note_locked(char operation, uint64_t inode, uint64_t offset, const void *payload, size_t bytes) {
  struct record record = {(uint64_t)operation, inode, offset, bytes};
  struct iovec parts[2] = {{&record, sizeof record}, {(void *)payload, bytes}};
  if (writev(trace, parts, 2) != (ssize_t)(sizeof record + bytes)) fail("trace");
}

static void note(char operation, uint64_t inode, uint64_t offset, const void *payload, size_t bytes) {
  int before = errno;
  pthread_mutex_lock(&mutex);
  note_locked(operation, inode, offset, payload, bytes);
  pthread_mutex_unlock(&mutex);
  errno = before;
}

static int kind_of_path(const char *path) {
  size_t n = strlen(database);
  if (strncmp(path, database, n) == 0) {
    const char *suffix = path + n;
    return *suffix == 0 || strcmp(suffix, "-wal") == 0 || strcmp(suffix, "-journal") == 0 ? DATABASE : UNTRACED;
  }
  size_t folder = strrchr(database, '/') - database;
  return strlen(path) == folder && strncmp(path, database, folder) == 0 ? FOLDER : UNTRACED;
}

static int kind_of(int fd) { return fd >= 0 && fd < MAX_FILES ? files[fd].kind : UNTRACED; }

int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list args;
    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
  }
  int fd = real_open(path, flags, mode);
  int kind = fd < 0 ? UNTRACED : kind_of_path(path);
  if (kind == UNTRACED) return fd;
  struct stat status;
  if (fd >= MAX_FILES || fstat(fd, &status) != 0) fail("open");
  if (flags & O_TRUNC) fail("open with O_TRUNC, which the trace does not know,");
  files[fd].inode = kind == FOLDER ? 0 : status.st_ino;
  files[fd].kind = kind;
  if (kind == DATABASE) note('o', files[fd].inode, 0, path, strlen(path));
  return fd;
}

int close(int fd) {
  if (kind_of(fd) != UNTRACED) files[fd].kind = UNTRACED;
  return real_close(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) {
  ssize_t written = real_pwrite(fd, data, bytes, offset);
  if (written > 0 && kind_of(fd) == DATABASE) note('w', files[fd].inode, (uint64_t)offset, data, (size_t)written);
  return written;
}

int ftruncate64(int fd, off64_t size) {
  int result = real_ftruncate(fd, size);
  if (result == 0 && kind_of(fd) == DATABASE) note('t', files[fd].inode, (uint64_t)size, NULL, 0);
  return result;
}

static int traced_sync(int (*sync)(int), int fd) {
  if (kind_of(fd) == UNTRACED) return sync(fd);
  pthread_mutex_lock(&mutex);
  uint64_t number = ((uint64_t)getpid() << 32) | ++syncs;
  note_locked('s', files[fd].inode, number, NULL, 0);
  pthread_mutex_unlock(&mutex);
  int result = sync(fd);
  if (result == 0) note('e', files[fd].inode, number, NULL, 0);
  return result;
}

int fsync(int fd) { return traced_sync(real_fsync, fd); }
int fdatasync(int fd) { return traced_sync(real_fdatasync, fd); }

int unlink(const char *path) {
  int result = real_unlink(path);
  if (result == 0 && kind_of_path(path) == DATABASE) note('u', 0, 0, path, strlen(path));
  return result;
}

// The other names of the same functions, where a C library has them.
int open(const char *path, int flags, ...) __attribute__((alias("open64")));
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) __attribute__((alias("pwrite64")));
int ftruncate(int fd, off_t size) __attribute__((alias("ftruncate64")));
