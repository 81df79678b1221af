// Package sqlitebackend keeps one Deno KV database in one SQLite file, laid out
// as Deno and denokv lay it out, so that each can open what another wrote.
//
// # Invariants
//
//   - One writer at a time: whoever has the turn owns the only connection that writes.
//     It commits whatever stands in line by then as one transaction (writer.go).
//   - A write is acknowledged, and watchers hear of it, only after the commit that
//     holds it is durable (WAL, synchronous=FULL, unless DurabilityNormal was asked
//     for).
//   - A write happens whole or not at all, whatever shares its transaction: if it
//     fails, it is undone alone, or the transaction is, and the others are made one by
//     one (group_tx.go).
//   - No reader sees half a group: all ranges of a snapshot read come from one
//     read transaction (snapshot_read.go).
//   - The WAL is written back while writes go on, and not made shorter unless the disk
//     failed (checkpoint.go).
//   - Before each commit the file and its WAL are looked for where they were opened: no
//     write is acknowledged that goes to a file which nobody finds again (same_file.go).
//   - What a failed commit may have left in the WAL is written over before anybody is told
//     that it failed (group_tx.go).
//   - A file that is not where it was gets all of its WAL, once. After that the WAL may be
//     another server's, and is left alone (probe.go, writer.go).
//   - While the disk fails, writes are tried and reads go on. A goroutine finds out when
//     the trouble is over, the log is told of its begin and its end (trouble.go, probe.go).
//   - Versionstamps strictly increase in commit order. A write that fails takes
//     none.
//   - With Options.MaxFileBytes, no write that adds something makes the file grow beyond
//     that, whatever shares its group; deletes always go on (size_bound.go).
//   - A read never fails because a connection cannot be opened: one is there from the
//     start, and it waits for that (read_pool.go). What is opened later is the same file
//     (same_file.go).
//   - From its expiry time on a key is absent for reads, checks, sums and watches,
//     whether or not the sweeper removed it yet. Time as the backend sees it never
//     goes back, so a key that was seen to expire stays so.
//
// # Caveats
//
//   - Other processes may have the file open at the same time; SQLite keeps them
//     apart. But watches hear only of writes made through this Backend.
//   - While a write is being committed that found a key alive, time does not pass
//     the moment at which that key expires: everybody sees the write first. So an
//     expiry may come as much late as that commit takes.
//   - If the clock of the machine was ahead and is put right, time stands still for
//     the Backend until the clock has caught up: keys written meanwhile expire as
//     much too early. A warning is logged; a new start ends it.
//   - The file must be on a local file system: WAL needs shared memory.
package sqlitebackend
