// Key parts: every kind survives the way to the server and back, and sorts as specified.
import assert from "node:assert/strict";
import {
  assertAbsent,
  assertValue,
  collect,
  commit,
  lastParts,
} from "./assertions.ts";
import type { Cases, Context } from "./case.ts";
import { orderedParts } from "./samples.ts";

/** Stores every part, in an order that has nothing to do with the sorted one. */
async function storeAll({ kv, key }: Context): Promise<void> {
  const write = kv.atomic();
  // 29 and the number of parts have no common divisor, so each index comes once.
  for (let step = 0; step < orderedParts.length; step++) {
    const index = (step * 29) % orderedParts.length;
    write.set(key(orderedParts[index] as Deno.KvKeyPart), index);
  }
  await commit(write);
}

export const keys: Cases = {
  async listYieldsEveryKindInOrder(context) {
    await storeAll(context);
    const { kv, prefix, key } = context;
    const entries = await collect(kv.list<number>({ prefix }));
    assert.deepEqual(entries.map((entry) => entry.value), [
      ...orderedParts.keys(),
    ]);
    assert.deepEqual(
      entries.map((entry) => entry.key),
      orderedParts.map((part) => key(part)),
    );
    const reversed = await collect(
      kv.list<number>({ prefix }, { reverse: true }),
    );
    assert.deepEqual(reversed, entries.toReversed());
  },

  async everyKindIsFoundByGet(context) {
    await storeAll(context);
    for (const [index, part] of orderedParts.entries()) {
      await assertValue(context.kv, context.key(part), index);
    }
  },

  async everyKindDelimitsAList(context) {
    await storeAll(context);
    const { kv, prefix, key } = context;
    const all = [...orderedParts.keys()];
    for (const [index, part] of orderedParts.entries()) {
      const from = await collect(kv.list<number>({ prefix, start: key(part) }));
      assert.deepEqual(from.map((entry) => entry.value), all.slice(index));
      const upTo = await collect(kv.list<number>({ prefix, end: key(part) }));
      assert.deepEqual(upTo.map((entry) => entry.value), all.slice(0, index));
    }
  },

  negativeZeroIsAKeyOfItsOwn: {
    requires: "negativeZeroKeys",
    async run({ kv, prefix, key }) {
      await kv.set(key(0), "zero");
      await assertAbsent(kv, key(-0));
      await kv.set(key(-0), "negative zero");
      await assertValue(kv, key(0), "zero");
      await assertValue(kv, key(-0), "negative zero");
      assert.deepEqual(await lastParts(kv.list({ prefix })), [-0, 0]);
    },
  },

  async partsThatLookAlikeAreDifferentKeys({ kv, key }) {
    const alike = [1, "1", 1n, true, new Uint8Array([49]), new Uint8Array([1])];
    for (const [index, part] of alike.entries()) await kv.set(key(part), index);
    for (const [index, part] of alike.entries()) {
      await assertValue(kv, key(part), index);
    }
  },

  async aKeyOfManyPartsComesBackWhole({ kv, prefix, key }) {
    const parts = [
      "users",
      42,
      "posts",
      7n,
      true,
      new Uint8Array([1, 2, 3]),
      "",
      -0.5,
    ];
    await kv.set(key(...parts), "here");
    await assertValue(kv, key(...parts), "here");
    assert.deepEqual(
      (await collect(kv.list({ prefix }))).map((entry) => entry.key),
      [
        key(...parts),
      ],
    );
    const deep = Array.from({ length: 200 }, (_, index) => index);
    await kv.set(key(...deep), "deep");
    await assertValue(kv, key(...deep), "deep");
  },

  async whereAPartEndsMatters({ kv, prefix, key }) {
    // In sorted order: a shorter key first, then its children, then its neighbours.
    const ordered = [
      key("a"),
      key("a", ""),
      key("a", "", ""),
      key("a", "\u0000b"),
      key("a", "b"),
      key("a", 1),
      key("a\u0000"),
      key("a\u0000", "b"),
      key("ab"),
    ];
    for (const entryKey of ordered.toReversed()) {
      await kv.set(entryKey, entryKey.length);
    }
    const listed = (await collect(kv.list({ prefix }))).map((entry) =>
      entry.key
    );
    assert.deepEqual(listed, ordered);
    const children = await collect(kv.list({ prefix: key("a") }));
    assert.deepEqual(children.map((entry) => entry.key), ordered.slice(1, 6));
  },

  async aViewOfALargerBufferIsOnlyItsBytes({ kv, prefix, key }) {
    const view = new Uint8Array([9, 9, 1, 2, 9]).subarray(2, 4);
    await kv.set(key(view), "view");
    await assertValue(kv, key(new Uint8Array([1, 2])), "view");
    assert.deepEqual(await lastParts(kv.list({ prefix })), [
      new Uint8Array([1, 2]),
    ]);
  },
};
