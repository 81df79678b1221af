// What is just allowed, and what is one too much. Deno refuses much of it by itself;
// @deno/kv leaves it to the server, whose answer reaches the program as an error.
import assert from "node:assert/strict";
import {
  assertAbsent,
  assertFails,
  assertValue,
  collect,
  commit,
} from "./assertions.ts";
import type { Cases, Context } from "./case.ts";
import { Watcher } from "./watcher.ts";

/** A key that is this many bytes when encoded. */
function keyOfBytes({ key, prefix }: Context, size: number): Deno.KvKey {
  // A text part takes a type byte before it and a NUL behind it.
  const used = (prefix[0] as string).length + 4;
  return key("k".repeat(size - used));
}

/** What either side says when it refuses: Deno in its own words, the server by 4xx. */
function refusal({ runtime }: Context, denosWords: RegExp): RegExp {
  return runtime === "deno"
    ? denosWords
    : /Unexpected response status: 4\d\d ./;
}

export const limits: Cases = {
  async keysUpTo2048Bytes(context) {
    const { kv } = context;
    const longest = keyOfBytes(context, 2048);
    const tooLong = keyOfBytes(context, 2049);
    await kv.set(longest, "there");
    await assertValue(kv, longest, "there");
    const [entry] = await kv.getMany([longest]);
    assert.equal(entry.value, "there");
    assert.equal(
      (await collect(kv.list({ prefix: context.prefix }))).length,
      1,
    );
    const watcher = new Watcher(kv, [longest]);
    assert.equal((await watcher.next())[0]?.value, "there");
    await watcher.cancel();
    await commit(kv.atomic().check(entry).delete(longest));
    await assertAbsent(kv, longest);

    const refused = refusal(context, /Key too large/);
    await assertFails(() => kv.set(tooLong, 1), refused);
    await assertFails(() => kv.delete(tooLong), refused);
    await assertFails(() => kv.atomic().sum(tooLong, 1n).commit(), refused);
    await assertFails(() => kv.get(keyOfBytes(context, 2050)), refused);
    assert.deepEqual(await collect(kv.list({ prefix: context.prefix })), []);
  },

  async valuesUpTo65536Bytes(context) {
    const { kv, key } = context;
    const refused = refusal(context, /Value too large/);
    await kv.set(key("a"), new Uint8Array(65_536));
    await assertFails(() => kv.set(key("a"), new Uint8Array(65_537)), refused);
    await assertValue(kv, key("a"), new Uint8Array(65_536));
    // With six bytes of header, tag and length.
    await kv.set(key("b"), "b".repeat(65_530));
    await assertFails(() => kv.set(key("b"), "b".repeat(65_531)), refused);
    await assertValue(kv, key("b"), "b".repeat(65_530));
  },

  async tenKeysInOneGetMany(context) {
    const { kv, key } = context;
    const keys = Array.from({ length: 11 }, (_, n) => key(n));
    await kv.set(key(9), 9);
    const entries = await kv.getMany(keys.slice(0, 10));
    assert.equal(entries.length, 10);
    assert.equal(entries[9]?.value, 9);
    await assertFails(
      () => kv.getMany(keys),
      refusal(context, /Too many ranges/),
    );
  },

  async oneHundredChecks(context) {
    const { kv, key } = context;
    const checks = Array.from(
      { length: 101 },
      (_, n) => ({ key: key("none", n), versionstamp: null }),
    );
    await commit(kv.atomic().check(...checks.slice(0, 100)).set(key("a"), 1));
    await assertFails(
      () => kv.atomic().check(...checks).set(key("a"), 2).commit(),
      refusal(context, /Too many checks/),
    );
    await assertValue(kv, key("a"), 1);
  },

  async oneThousandMutations(context) {
    const { kv, key, prefix } = context;
    const writeOf = (count: number, value: string) => {
      const write = kv.atomic();
      for (let n = 0; n < count; n++) write.set(key(n), value);
      return write;
    };
    await commit(writeOf(1_000, "first"));
    await assertFails(
      () => writeOf(1_001, "second").commit(),
      refusal(context, /Too many mutations/),
    );
    const entries = await collect(kv.list({ prefix }));
    assert.equal(entries.length, 1_000);
    for (const entry of entries) assert.equal(entry.value, "first");
  },

  async eightHundredKibibytesInOneWrite(context) {
    const { kv, key, prefix } = context;
    const writeOf = (count: number) => {
      const write = kv.atomic();
      for (let n = 0; n < count; n++) write.set(key(n), new Uint8Array(65_536));
      return write;
    };
    await assertFails(
      () => writeOf(13).commit(),
      refusal(context, /Total mutation size too large/),
    );
    assert.equal((await collect(kv.list({ prefix }))).length, 0);
    await commit(writeOf(12));
    assert.equal((await collect(kv.list({ prefix }))).length, 12);
  },

  async tenWatchedKeys(context) {
    const { kv, key } = context;
    const keys = Array.from({ length: 11 }, (_, n) => key(n));
    await assertFails(
      async () => {
        // Raw, for @deno/kv cannot report the error of any other watch.
        const watcher = new Watcher(kv, keys, { raw: true });
        await watcher.next().finally(() => watcher.cancel());
      },
      refusal(context, /Too many keys/),
    );
  },

  async keysAreNotEmpty({ kv }) {
    await assertFails(() => kv.set([], 1), /key cannot be empty/i);
    await assertFails(() => kv.delete([]), /key cannot be empty/i);
    await assertFails(
      () => kv.atomic().sum([], 1n).commit(),
      /key cannot be empty/i,
    );
  },
};
