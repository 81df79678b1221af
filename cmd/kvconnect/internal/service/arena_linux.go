package service

// The C library has a heap for each few threads. As databases are opened by one thread and
// closed by another, all of these heaps get full of holes: a server that has gone round a
// thousand databases then holds twice the memory that it has with one heap. One costs
// nothing, as SQLite itself lets one thread at a time allocate. Who has set the variables of
// the library is left alone.
//
// This must be settled before there is a second thread, which is before Go begins.

// #include <malloc.h>
// #include <stdlib.h>
//
// #ifdef __GLIBC__
// __attribute__((constructor)) static void use_one_heap(void) {
//   if (getenv("MALLOC_ARENA_MAX") == NULL && getenv("GLIBC_TUNABLES") == NULL) {
//     mallopt(M_ARENA_MAX, 1);
//   }
// }
// #endif
import "C"
