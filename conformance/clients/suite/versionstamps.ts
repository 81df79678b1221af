// Versionstamps: their order, and keys that end in one.
import assert from "node:assert/strict";
import { assertAbsent, assertValue, collect, commit } from "./assertions.ts";
import type { Cases } from "./case.ts";

export const versionstamps: Cases = {
  async everyCommitGetsALargerOne({ kv, key, open }) {
    const connections = [kv, await open()];
    let previous = "";
    for (let round = 0; round < 40; round++) {
      const connection = connections[round % 2] as Deno.Kv;
      const versionstamp = await commit(
        connection.atomic().set(key("a"), round),
      );
      // Fixed width and lower case make strings compare as the numbers they are.
      assert.match(versionstamp, /^[0-9a-f]{20}$/);
      assert.ok(versionstamp > previous, `${versionstamp} after ${previous}`);
      previous = versionstamp;
    }
  },

  async concurrentCommitsGetDistinctOnes({ kv, key }) {
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, n) => kv.set(key(n), n)),
    );
    assert.equal(
      new Set(results.map((result) => result.versionstamp)).size,
      100,
    );
    const entries = await collect(kv.list<number>({ prefix: key() }));
    assert.deepEqual(
      entries.map((entry) => entry.versionstamp),
      results.map((result) => result.versionstamp),
    );
  },

  keyEndingInTheCommitVersionstamp: {
    requires: "commitVersionstamp",
    async run({ kv, key, prefix }) {
      const versionstamps: string[] = [];
      for (let n = 0; n < 3; n++) {
        const versionstamp = await commit(
          kv.atomic()
            .set(key("log", kv.commitVersionstamp()), n)
            .set(key("last"), n),
        );
        assert.equal(
          await assertValue(kv, key("log", versionstamp), n),
          versionstamp,
        );
        assert.equal(await assertValue(kv, key("last"), n), versionstamp);
        versionstamps.push(versionstamp);
      }
      const entries = await collect(kv.list({ prefix: key("log") }));
      assert.deepEqual(
        entries.map((entry) => ({ ...entry })),
        versionstamps.map((versionstamp, n) => ({
          key: [...prefix, "log", versionstamp],
          value: n,
          versionstamp,
        })),
      );
    },
  },

  commitVersionstampKeysOfEveryParent: {
    requires: "commitVersionstamp",
    async run({ kv, key }) {
      const parents = ["log", 1, 2n, true, new Uint8Array([0, 1]), ""];
      const write = kv.atomic();
      for (const parent of parents) {
        write.set(key(parent, kv.commitVersionstamp()), parent);
      }
      const versionstamp = await commit(write);
      for (const parent of parents) {
        await assertValue(kv, key(parent, versionstamp), parent);
      }
      await kv.delete(key("log", versionstamp));
      await assertAbsent(kv, key("log", versionstamp));
    },
  },

  setTakesACommitVersionstampKey: {
    requires: "commitVersionstamp",
    async run({ kv, key }) {
      const { versionstamp } = await kv.set(
        key(kv.commitVersionstamp()),
        "event",
      );
      assert.equal(
        await assertValue(kv, key(versionstamp), "event"),
        versionstamp,
      );
    },
  },

  aFailedCheckWritesNoVersionstampKey: {
    requires: "commitVersionstamp",
    async run({ kv, key, prefix }) {
      const result = await kv.atomic()
        .check({ key: key("a"), versionstamp: "7fffffffffffffff0000" })
        .set(key("log", kv.commitVersionstamp()), 1)
        .commit();
      assert.equal(result.ok, false);
      assert.deepEqual(await collect(kv.list({ prefix })), []);
    },
  },
};
