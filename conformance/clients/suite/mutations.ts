// What the mutations of one atomic write do to each other: they happen in order.
import assert from "node:assert/strict";
import {
  assertAbsent,
  assertFails,
  assertValue,
  commit,
  lastParts,
} from "./assertions.ts";
import type { Cases } from "./case.ts";

export const mutations: Cases = {
  async theLastSetOfAKeyHolds({ kv, key }) {
    const versionstamp = await commit(
      kv.atomic().set(key("a"), 1).set(key("a"), 2).set(key("a"), 3),
    );
    assert.equal(await assertValue(kv, key("a"), 3), versionstamp);
  },

  async setThenDeleteLeavesNothing({ kv, key }) {
    await commit(kv.atomic().set(key("new"), 1).delete(key("new")));
    await assertAbsent(kv, key("new"));
    await kv.set(key("old"), 0);
    await commit(kv.atomic().set(key("old"), 1).delete(key("old")));
    await assertAbsent(kv, key("old"));
  },

  async deleteThenSetLeavesTheValue({ kv, key }) {
    await kv.set(key("a"), "old");
    const versionstamp = await commit(
      kv.atomic().delete(key("a")).set(key("a"), "new"),
    );
    assert.equal(await assertValue(kv, key("a"), "new"), versionstamp);
  },

  async arithmeticGoesOnFromWhatCameBefore({ kv, key, KvU64 }) {
    await commit(
      kv.atomic()
        .set(key("a"), new KvU64(10n)) // 10
        .sum(key("a"), 5n) // 15
        .min(key("a"), 12n) // 12
        .sum(key("a"), 1n) // 13
        .max(key("a"), 100n) // 100
        .max(key("a"), 99n), // 100
    );
    await assertValue(kv, key("a"), new KvU64(100n));
    await commit(kv.atomic().delete(key("a")).sum(key("a"), 7n));
    await assertValue(kv, key("a"), new KvU64(7n));
    await commit(kv.atomic().sum(key("a"), 7n).set(key("a"), "text"));
    await assertValue(kv, key("a"), "text");
  },

  async aSetMakesWayForASumInTheSameWrite({ kv, key, KvU64 }) {
    await kv.set(key("a"), "text");
    await commit(kv.atomic().set(key("a"), new KvU64(1n)).sum(key("a"), 1n));
    await assertValue(kv, key("a"), new KvU64(2n));
  },

  async aSumAfterATextInTheSameWriteFails({ kv, key, KvU64 }) {
    const { versionstamp } = await kv.set(key("a"), new KvU64(1n));
    await assertFails(
      () => kv.atomic().set(key("a"), "text").sum(key("a"), 1n).commit(),
      /Failed to perform 'sum' mutation on a non-U64 value in the database/,
    );
    assert.equal(await assertValue(kv, key("a"), new KvU64(1n)), versionstamp);
  },

  async mutateTakesEveryKindAtOnce({ kv, key, KvU64 }) {
    await kv.set(key("gone"), 1);
    await commit(
      kv.atomic().mutate(
        { type: "set", key: key("set"), value: { n: 1 } },
        { type: "delete", key: key("gone") },
        { type: "sum", key: key("sum"), value: new KvU64(2n) },
        { type: "min", key: key("min"), value: new KvU64(3n) },
        { type: "max", key: key("max"), value: new KvU64(4n) },
      ),
    );
    await assertAbsent(kv, key("gone"));
    await assertValue(kv, key("set"), { n: 1 });
    await assertValue(kv, key("sum"), new KvU64(2n));
    await assertValue(kv, key("min"), new KvU64(3n));
    await assertValue(kv, key("max"), new KvU64(4n));
  },

  async manyKeysInOneWrite({ kv, key, prefix }) {
    const write = kv.atomic();
    for (let n = 0; n < 400; n++) write.set(key(n), n);
    for (let n = 0; n < 400; n += 2) write.delete(key(n));
    await commit(write);
    const odd = Array.from({ length: 200 }, (_, index) => 2 * index + 1);
    assert.deepEqual(await lastParts(kv.list({ prefix })), odd);
  },
};
