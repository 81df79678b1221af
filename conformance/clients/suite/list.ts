// list: every form of selector, limit and reverse.
import assert from "node:assert/strict";
import { assertFails, collect, commit, lastParts } from "./assertions.ts";
import type { Cases, Context } from "./case.ts";

/** Children 0 to 9 of "in", and neighbours on both sides that no list may yield. */
async function storeTen({ kv, key }: Context): Promise<void> {
  const write = kv.atomic()
    .set(key("im", 5), "before")
    .set(key("in0", 5), "after")
    .set(key("io", 5), "after");
  for (let n = 0; n < 10; n++) write.set(key("in", n), n);
  await commit(write);
}

export const list: Cases = {
  async prefixYieldsChildrenOnly(context) {
    await storeTen(context);
    const { kv, key } = context;
    const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    assert.deepEqual(await lastParts(kv.list({ prefix: key("in") })), all);
    const reversed = await lastParts(
      kv.list({ prefix: key("in") }, { reverse: true }),
    );
    assert.deepEqual(reversed, all.toReversed());
  },

  async aPrefixIsNotItsOwnChild(context) {
    await storeTen(context);
    const { kv, key } = context;
    await kv.set(key("in"), "the prefix itself");
    const selector = { prefix: key("in"), end: key("in", 2) };
    assert.deepEqual(await lastParts(kv.list(selector)), [0, 1]);
    const range = { start: key("in"), end: key("in", 2) };
    assert.deepEqual(await lastParts(kv.list(range)), ["in", 0, 1]);
  },

  aPrefixIsNotItsOwnChildInReverse: {
    requires: "exactReversePrefix",
    async run(context) {
      await storeTen(context);
      const { kv, key } = context;
      await kv.set(key("in"), "the prefix itself");
      const selector = { prefix: key("in"), end: key("in", 2) };
      const reversed = await lastParts(kv.list(selector, { reverse: true }));
      assert.deepEqual(reversed, [1, 0]);
    },
  },

  async prefixAndStartIncludesTheStart(context) {
    await storeTen(context);
    const { kv, key } = context;
    const selector = { prefix: key("in"), start: key("in", 7) };
    assert.deepEqual(await lastParts(kv.list(selector)), [7, 8, 9]);
    assert.deepEqual(await lastParts(kv.list(selector, { reverse: true })), [
      9,
      8,
      7,
    ]);
    const between = { prefix: key("in"), start: key("in", 6.5) };
    assert.deepEqual(await lastParts(kv.list(between)), [7, 8, 9]);
  },

  async prefixAndEndExcludesTheEnd(context) {
    await storeTen(context);
    const { kv, key } = context;
    const selector = { prefix: key("in"), end: key("in", 3) };
    assert.deepEqual(await lastParts(kv.list(selector)), [0, 1, 2]);
    assert.deepEqual(await lastParts(kv.list(selector, { reverse: true })), [
      2,
      1,
      0,
    ]);
    const between = { prefix: key("in"), end: key("in", 2.5) };
    assert.deepEqual(await lastParts(kv.list(between)), [0, 1, 2]);
  },

  async startAndEndIsHalfOpen(context) {
    await storeTen(context);
    const { kv, key } = context;
    const selector = { start: key("in", 2), end: key("in", 5) };
    assert.deepEqual(await lastParts(kv.list(selector)), [2, 3, 4]);
    assert.deepEqual(await lastParts(kv.list(selector, { reverse: true })), [
      4,
      3,
      2,
    ]);
    // Without a prefix a range may span what no prefix has in common.
    const wide = { start: key("im", 5), end: key("in", 1) };
    assert.deepEqual(await lastParts(kv.list(wide)), [5, 0]);
  },

  async anEmptyRangeYieldsNothing(context) {
    await storeTen(context);
    const { kv, key } = context;
    const empty = { start: key("in", 5), end: key("in", 5) };
    assert.deepEqual(await lastParts(kv.list(empty)), []);
    assert.deepEqual(await lastParts(kv.list({ prefix: key("nothing") })), []);
    assert.deepEqual(await lastParts(kv.list({ prefix: key("in", 5) })), []);
  },

  async theEmptyPrefixSpansTheDatabase(context) {
    await storeTen(context);
    const { kv, key } = context;
    const entries = kv.list({ prefix: [], start: key("in", 0) }, { limit: 3 });
    assert.deepEqual(await lastParts(entries), [0, 1, 2]);
  },

  async limitStopsTheList(context) {
    await storeTen(context);
    const { kv, key } = context;
    const prefix = key("in");
    assert.deepEqual(await lastParts(kv.list({ prefix }, { limit: 4 })), [
      0,
      1,
      2,
      3,
    ]);
    assert.deepEqual(
      await lastParts(kv.list({ prefix }, { limit: 2, reverse: true })),
      [9, 8],
    );
    assert.equal(
      (await lastParts(kv.list({ prefix }, { limit: 10 }))).length,
      10,
    );
    assert.equal(
      (await lastParts(kv.list({ prefix }, { limit: 11 }))).length,
      10,
    );
    // A limit across several batches, the last of which is cut.
    const cut = kv.list({ prefix }, { limit: 7, batchSize: 3 });
    assert.deepEqual(await lastParts(cut), [0, 1, 2, 3, 4, 5, 6]);
  },

  async entriesAreComplete({ kv, key, KvU64 }) {
    const first = await kv.set(key("in", "a"), { n: 1 });
    const second = await kv.set(key("in", "b"), new KvU64(2n));
    const third = await kv.set(key("in", "c"), new Uint8Array([3]));
    const entries = await collect(kv.list({ prefix: key("in") }));
    assert.deepEqual(entries.map((entry) => ({ ...entry })), [
      {
        key: key("in", "a"),
        value: { n: 1 },
        versionstamp: first.versionstamp,
      },
      {
        key: key("in", "b"),
        value: new KvU64(2n),
        versionstamp: second.versionstamp,
      },
      {
        key: key("in", "c"),
        value: new Uint8Array([3]),
        versionstamp: third.versionstamp,
      },
    ]);
  },

  async changesShowInTheNextList({ kv, key }) {
    const prefix = key("in");
    for (const n of [1, 2, 3]) await kv.set(key("in", n), n);
    await kv.delete(key("in", 2));
    await kv.set(key("in", 0), 0);
    assert.deepEqual(await lastParts(kv.list({ prefix })), [0, 1, 3]);
  },

  async impossibleSelectorsAreRefused({ kv, key }) {
    const refused = (selector: unknown, pattern: RegExp) =>
      assertFails(
        () => kv.list(selector as Deno.KvListSelector).next(),
        pattern,
      );
    await refused(
      { start: key(2), end: key(1) },
      /Start key is greater than end key/,
    );
    await refused({ prefix: key("a"), start: key("b") }, /not in the keyspace/);
    await refused({ prefix: key("a"), end: key("b") }, /not in the keyspace/);
    await refused({ start: key("a") }, /must specify either 'prefix' or both/);
    await refused({}, /must specify either 'prefix' or both/);
  },
};
