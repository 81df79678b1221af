// Makes the disk fail under the program that this library is preloaded into (LD_PRELOAD),
// when disk_fault_test.go says so.
//
// FAULT_FOLDER is the absolute path of a folder: the files in it are on the disk that
// fails. FAULT_SWITCH is a file of two 8-byte numbers that is mapped into memory: the first
// says what fails, the second counts how often something did.
//
// It knows the functions by which SQLite writes, in the C library of GNU.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { MAX_FILES = 4096 };

// What fails. disk_fault_test.go has the same.
enum { NOTHING, FULL, READ_ONLY, WRITES, SYNCS, SHARED_MEMORY };

static struct {
  uint64_t fault;
  uint64_t failed;
} volatile *state;

static const char *folder;
static char watched[MAX_FILES]; // by descriptor: 1 for a file in the folder, 2 for shared memory

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_ftruncate)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

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
  folder = getenv("FAULT_FOLDER");
  const char *path = getenv("FAULT_SWITCH");
  if (!folder || !path) fail("FAULT_FOLDER or FAULT_SWITCH is not set");
  int fd = real_open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) fail(path);
  state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (state == MAP_FAILED) fail(path);
  real_close(fd);
}

static int kind_of(int fd) { return fd >= 0 && fd < MAX_FILES ? watched[fd] : 0; }

static int failing(int error) {
  __atomic_add_fetch(&state->failed, 1, __ATOMIC_SEQ_CST);
  errno = error;
  return -1;
}

static uint64_t fault(void) { return __atomic_load_n(&state->fault, __ATOMIC_SEQ_CST); }

int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list args;
    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
  }
  size_t n = strlen(folder), length = strlen(path);
  int is_in = length > n && strncmp(path, folder, n) == 0 && path[n] == '/';
  if (is_in && fault() == READ_ONLY && (flags & O_ACCMODE) != O_RDONLY) return failing(EROFS);
  int fd = real_open(path, flags, mode);
  if (fd < 0 || !is_in) return fd;
  if (fd >= MAX_FILES) fail("open");
  watched[fd] = length > 4 && strcmp(path + length - 4, "-shm") == 0 ? 2 : 1;
  return fd;
}

int close(int fd) {
  if (kind_of(fd)) watched[fd] = 0;
  return real_close(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) {
  int kind = kind_of(fd);
  switch (kind ? fault() : NOTHING) {
  case FULL: return failing(ENOSPC);
  case READ_ONLY: return failing(EROFS);
  case WRITES: return failing(EIO);
  case SHARED_MEMORY:
    if (kind == 2) return failing(ENOSPC);
  }
  return real_pwrite(fd, data, bytes, offset);
}

int ftruncate64(int fd, off64_t size) {
  switch (kind_of(fd) ? fault() : NOTHING) {
  case READ_ONLY: return failing(EROFS);
  case WRITES: return failing(EIO);
  }
  return real_ftruncate(fd, size);
}

static int faulty_sync(int (*sync)(int), int fd) {
  switch (kind_of(fd) ? fault() : NOTHING) {
  case READ_ONLY: return failing(EROFS);
  case SYNCS: return failing(EIO);
  }
  return sync(fd);
}

int fsync(int fd) { return faulty_sync(real_fsync, fd); }
int fdatasync(int fd) { return faulty_sync(real_fdatasync, fd); }

// The other names of the same functions, where a C library has them.
int open(const char *path, int flags, ...) __attribute__((alias("open64")));
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) __attribute__((alias("pwrite64")));
int ftruncate(int fd, off_t size) __attribute__((alias("ftruncate64")));
