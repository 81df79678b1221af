// One call of each kind, in an order that is always the same, on an empty database. For
// whoever wants to know what Deno and Node send.
import { features, KvU64, openKv } from "./runtime.ts";
import { Watcher } from "./suite/watcher.ts";

const kv = await openKv();

await kv.set(["text"], "héllo");
await kv.set(["bytes"], new Uint8Array([0, 255]));
await kv.set(["counter"], new KvU64(2n ** 64n - 1n));
const { versionstamp } = await kv.set(["nested"], {
  map: new Map([["n", 1n]]),
  list: [1.5, null],
});
await kv.set(["leased"], true, { expireIn: 86_400_000 });
await kv.set(
  ["all kinds", new Uint8Array([0, 1]), "a\u0000b", -(2n ** 70n), -1.5, true],
  undefined,
);

const write = kv.atomic()
  .check({ key: ["absent"], versionstamp: null })
  .check({ key: ["nested"], versionstamp })
  .set(["text"], "")
  .delete(["nested"])
  .sum(["counter"], 2n)
  .mutate(
    { type: "sum", key: ["number"], value: 1.5 as unknown as Deno.KvU64 },
    { type: "sum", key: ["bigint"], value: -1n as unknown as Deno.KvU64 },
  )
  .min(["least"], 5n)
  .max(["most"], 5n);
if (features.commitVersionstamp.present) {
  write.set(["log", kv.commitVersionstamp()], "entry");
}
await write.commit();
await kv.atomic().commit();
await kv.delete(["bytes"]);

await kv.get(["text"]);
await kv.getMany([["text"], ["absent"], ["counter"]]);
const prefix: Deno.KvKey = [];
for await (const _ of kv.list({ prefix }, { batchSize: 3 })) { /* read on */ }
for await (
  const _ of kv.list({ start: ["a"], end: ["z"] }, { limit: 2, reverse: true })
) { /* read on */ }

const watcher = new Watcher(kv, [["text"], ["absent"]]);
await watcher.next();
await watcher.cancel();
kv.close();
