// sum, min and max on 64-bit unsigned counters.
import assert from "node:assert/strict";
import {
  assertAbsent,
  assertFails,
  assertValue,
  commit,
} from "./assertions.ts";
import type { Cases } from "./case.ts";

const max = 2n ** 64n - 1n;

export const counters: Cases = {
  async sumStartsFromNothing({ kv, key, KvU64 }) {
    await commit(kv.atomic().sum(key("a"), 5n));
    await assertValue(kv, key("a"), new KvU64(5n));
    await commit(kv.atomic().sum(key("zero"), 0n));
    await assertValue(kv, key("zero"), new KvU64(0n));
  },

  async sumAdds({ kv, key, KvU64 }) {
    await kv.set(key("a"), new KvU64(40n));
    const versionstamp = await commit(kv.atomic().sum(key("a"), 2n));
    assert.equal(await assertValue(kv, key("a"), new KvU64(42n)), versionstamp);
    await commit(kv.atomic().sum(key("a"), 2n ** 40n));
    await assertValue(kv, key("a"), new KvU64(42n + 2n ** 40n));
  },

  async aSumOfNothingIsAChangeAllTheSame({ kv, key, KvU64 }) {
    const { versionstamp } = await kv.set(key("a"), new KvU64(1n));
    const later = await commit(kv.atomic().sum(key("a"), 0n));
    assert.ok(later > versionstamp);
    assert.equal(await assertValue(kv, key("a"), new KvU64(1n)), later);
  },

  async sumWrapsAroundAtTwoToThe64({ kv, key, KvU64 }) {
    await kv.set(key("a"), new KvU64(max));
    await commit(kv.atomic().sum(key("a"), 1n));
    await assertValue(kv, key("a"), new KvU64(0n));
    // Adding 2^64 - n is how programs subtract n.
    await kv.set(key("a"), new KvU64(10n));
    await commit(kv.atomic().sum(key("a"), max - 2n));
    await assertValue(kv, key("a"), new KvU64(7n));
    await kv.set(key("a"), new KvU64(2n ** 63n));
    await commit(kv.atomic().sum(key("a"), 2n ** 63n + 9n));
    await assertValue(kv, key("a"), new KvU64(9n));
  },

  async minKeepsTheSmaller({ kv, key, KvU64 }) {
    await commit(kv.atomic().min(key("a"), 50n));
    await assertValue(kv, key("a"), new KvU64(50n));
    await commit(kv.atomic().min(key("a"), 60n));
    await assertValue(kv, key("a"), new KvU64(50n));
    await commit(kv.atomic().min(key("a"), 40n));
    await assertValue(kv, key("a"), new KvU64(40n));
    // Compared as unsigned: the largest is not -1.
    await commit(kv.atomic().min(key("a"), max));
    await assertValue(kv, key("a"), new KvU64(40n));
  },

  async maxKeepsTheLarger({ kv, key, KvU64 }) {
    await commit(kv.atomic().max(key("a"), 50n));
    await assertValue(kv, key("a"), new KvU64(50n));
    await commit(kv.atomic().max(key("a"), 40n));
    await assertValue(kv, key("a"), new KvU64(50n));
    await commit(kv.atomic().max(key("a"), 60n));
    await assertValue(kv, key("a"), new KvU64(60n));
    await commit(kv.atomic().max(key("a"), max));
    await assertValue(kv, key("a"), new KvU64(max));
  },

  async aSetCounterReadsBackEqual({ kv, key, KvU64 }) {
    await kv.set(key("a"), new KvU64(max));
    const { value } = await kv.get<Deno.KvU64>(key("a"));
    assert.ok(value instanceof KvU64);
    assert.equal(value.value, max);
  },

  async onlyCountersCanBeCountedWith({ kv, key }) {
    // The text is the reference server's, and programs look for it.
    const wrongTypes = ["text", { n: 1 }, null, new Uint8Array(8)];
    for (const value of wrongTypes) {
      const { versionstamp } = await kv.set(key("a"), value);
      for (const type of ["sum", "min", "max"] as const) {
        await assertFails(
          () => kv.atomic()[type](key("a"), 1n).commit(),
          new RegExp(
            `Failed to perform '${type}' mutation on a non-U64 value in the database`,
          ),
        );
      }
      assert.equal(await assertValue(kv, key("a"), value), versionstamp);
    }
  },

  async aFailedMutationUndoesThoseBeforeIt({ kv, key, KvU64 }) {
    await kv.set(key("text"), "text");
    await kv.set(key("count"), new KvU64(1n));
    await kv.set(key("kept"), "here");
    const names = ["text", "count", "kept"];
    const before = await kv.getMany(names.map((name) => key(name)));
    await assertFails(
      () =>
        kv.atomic()
          .set(key("new"), 1)
          .sum(key("count"), 1n)
          .delete(key("kept"))
          .sum(key("text"), 1n)
          .set(key("later"), 1)
          .commit(),
      /Failed to perform 'sum' mutation/,
    );
    await assertAbsent(kv, key("new"));
    await assertAbsent(kv, key("later"));
    assert.deepEqual(await kv.getMany(names.map((name) => key(name))), before);
  },

  async whatIsNoU64IsRefusedByTheClient({ kv, key }) {
    for (const operand of [-1n, 2n ** 64n]) {
      await assertFails(
        () => kv.atomic().sum(key("a"), operand).commit(),
        /positive bigint|64-bit unsigned integer/,
      );
    }
    await assertAbsent(kv, key("a"));
  },
};
