// One file, open in Deno and in a server at the same time. For Deno.
//
//   sharedopen.ts PATH URL     the server at the URL serves the new file at the path
//
// SQLite keeps the two apart, so nothing is lost, and checks and versionstamps hold
// across both. Watches are another matter: each side wakes its own for its own writes
// only. A watch that is woken tells the newest state of all its keys, whoever wrote
// them.
import assert from "node:assert/strict";
import {
  assertAbsent,
  assertValue,
  collect,
  commit,
  commitFails,
} from "./suite/assertions.ts";
import { Watcher } from "./suite/watcher.ts";

const [path, url] = Deno.args;
if (path === undefined || url === undefined) {
  throw new Error("say a path and a URL");
}
using file = await Deno.openKv(path);
using server = await Deno.openKv(url);
const sides = [file, server] as const;

// In turn: each side sees at once what the other did.
let last = "";
for (let n = 0; n < 20; n++) {
  const [writer, reader] = n % 2 === 0 ? [file, server] : [server, file];
  const { versionstamp } = await writer.set(["turn"], n);
  assert.ok(versionstamp > last, `${versionstamp} came after ${last}`);
  last = versionstamp;
  assert.equal(await assertValue(reader, ["turn"], n), versionstamp);
}

// Checks see the writes of the other side.
for (const [here, there] of [[file, server], [server, file]] as const) {
  const before = await here.get(["checked"]);
  await there.set(["checked"], "there");
  await commitFails(here.atomic().check(before).set(["checked"], "here"));
  const now = await here.get(["checked"]);
  await commit(here.atomic().check(now).delete(["checked"]));
  await assertAbsent(there, ["checked"]);
}

// All at once: no sum is lost, and no versionstamp is given twice.
const workers = 4;
const rounds = 25;
const versionstamps = await Promise.all(
  sides.flatMap((kv, side) =>
    Array.from({ length: workers }, async (_, worker) => {
      const mine: string[] = [];
      for (let round = 0; round < rounds; round++) {
        mine.push(
          await commit(
            kv.atomic()
              .sum(["sum"], 1n)
              .set(["busy", side, worker, round], round)
              .set(["log", kv.commitVersionstamp()], side),
          ),
        );
      }
      assert.deepEqual(mine, mine.toSorted(), "versionstamps went back");
      return mine;
    })
  ),
);
const writes = sides.length * workers * rounds;
assert.equal(new Set(versionstamps.flat()).size, writes);
for (const kv of sides) {
  await assertValue(kv, ["sum"], new Deno.KvU64(BigInt(writes)));
  const busy = await collect(kv.list<number>({ prefix: ["busy"] }));
  assert.equal(busy.length, writes);
  for (const { key, value } of busy) assert.equal(key.at(-1), value);
  const log = await collect(kv.list({ prefix: ["log"] }));
  assert.deepEqual(
    log.map((entry) => entry.key.at(-1)),
    versionstamps.flat().sort(),
  );
}

// A watch tells of the writes of the other side with the next of its own.
for (const [here, there] of [[file, server], [server, file]] as const) {
  const watcher = new Watcher(here, [["theirs"], ["ours"]]);
  await watcher.next();
  const theirs = (await there.set(["theirs"], "theirs")).versionstamp;
  const ours = (await here.set(["ours"], "ours")).versionstamp;
  const [state] = (await watcher.until((state) =>
    state[1]?.versionstamp === ours
  )).slice(-1);
  assert.equal(state?.[0]?.versionstamp, theirs);
  await watcher.cancel();
}
console.log("ok");
