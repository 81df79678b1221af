// watch: the first state, and every way to change it.
import assert from "node:assert/strict";
import { commit, commitFails } from "./assertions.ts";
import type { Cases } from "./case.ts";
import { values, Watcher, watchOf } from "./watcher.ts";

export const watch: Cases = {
  async theFirstStateComesAtOnce({ kv, key }) {
    const { versionstamp } = await kv.set(key("a"), { n: 1 });
    const watcher = new Watcher(kv, [key("a"), key("none")]);
    assert.deepEqual((await watcher.next()).map((entry) => ({ ...entry })), [
      { key: key("a"), value: { n: 1 }, versionstamp },
      { key: key("none"), value: null, versionstamp: null },
    ]);
    await watcher.cancel();
  },

  async absenceIsAFirstStateToo({ kv, key }) {
    const watcher = new Watcher(kv, [key("a")], { raw: true });
    const [entry] = await watcher.next();
    assert.deepEqual({ ...entry }, {
      key: key("a"),
      value: null,
      versionstamp: null,
    });
    const { versionstamp } = await kv.set(key("a"), "created");
    const [created] = await watcher.next();
    assert.deepEqual({ ...created }, {
      key: key("a"),
      value: "created",
      versionstamp,
    });
    await watcher.cancel();
  },

  async setAndDeleteAreTold(context) {
    const { kv, key } = context;
    const watcher = await watchOf(context, "a");
    const { versionstamp } = await kv.set(key("a"), "second");
    const [changed] = await watcher.next();
    assert.deepEqual({ ...changed }, {
      key: key("a"),
      value: "second",
      versionstamp,
    });
    await kv.delete(key("a"));
    const [deleted] = await watcher.next();
    assert.deepEqual({ ...deleted }, {
      key: key("a"),
      value: null,
      versionstamp: null,
    });
    await kv.set(key("a"), "third");
    assert.deepEqual(values(await watcher.next()), ["third"]);
    await watcher.cancel();
  },

  async everyMutationIsTold(context) {
    const { kv, key, KvU64 } = context;
    const watcher = await watchOf(context, "a");
    const steps: [(write: Deno.AtomicOperation) => void, unknown][] = [
      [
        (write) => write.set(key("a"), new Uint8Array([1])),
        new Uint8Array([1]),
      ],
      [(write) => write.delete(key("a")), null],
      [(write) => write.sum(key("a"), 5n), new KvU64(5n)],
      [(write) => write.sum(key("a"), 5n), new KvU64(10n)],
      [(write) => write.min(key("a"), 3n), new KvU64(3n)],
      [(write) => write.max(key("a"), 8n), new KvU64(8n)],
      [
        (write) => write.set(key("a"), new Map([[1, { n: 2n }]])),
        new Map([[1, { n: 2n }]]),
      ],
    ];
    for (const [step, expected] of steps) {
      const write = kv.atomic();
      step(write);
      const versionstamp = await commit(write);
      const [entry] = await watcher.next();
      assert.deepEqual(entry?.value, expected);
      assert.equal(
        entry?.versionstamp,
        expected === null ? null : versionstamp,
      );
    }
    await watcher.cancel();
  },

  async theSameValueAgainIsTold(context) {
    const { kv, key } = context;
    const watcher = await watchOf(context, "a");
    const { versionstamp } = await kv.set(key("a"), "first");
    const [entry] = await watcher.next();
    assert.deepEqual({ ...entry }, {
      key: key("a"),
      value: "first",
      versionstamp,
    });
    await watcher.cancel();
  },

  async severalKeysComeInTheOrderAskedFor({ kv, key }) {
    for (const name of ["a", "b", "c"]) await kv.set(key(name), name);
    const watcher = new Watcher(kv, [key("c"), key("a"), key("b")]);
    assert.deepEqual(values(await watcher.next()), ["c", "a", "b"]);
    await kv.set(key("a"), "A");
    assert.deepEqual(values(await watcher.next()), ["c", "A", "b"]);
    await kv.delete(key("b"));
    assert.deepEqual(values(await watcher.next()), ["c", "A", null]);
    await commit(
      kv.atomic().set(key("b"), "B").delete(key("c")).delete(key("a")),
    );
    const state = await watcher.next();
    assert.deepEqual(values(state), [null, null, "B"]);
    assert.deepEqual(state.map((entry) => entry.key), [
      key("c"),
      key("a"),
      key("b"),
    ]);
    await watcher.cancel();
  },

  async tenKeysCanBeWatched({ kv, key }) {
    const keys = Array.from({ length: 10 }, (_, n) => key(n));
    await kv.set(key(9), "there");
    const watcher = new Watcher(kv, keys);
    assert.deepEqual(values(await watcher.next()), [
      ...Array(9).fill(null),
      "there",
    ]);
    const expected: unknown[] = [...Array(9).fill(null), "there"];
    for (let n = 0; n < 10; n++) {
      await kv.set(key(n), n);
      expected[n] = n;
      assert.deepEqual(values(await watcher.next()), expected);
    }
    await watcher.cancel();
  },

  async keysOfOneWriteChangeTogether({ kv, key, open }) {
    await commit(kv.atomic().set(key("a"), 0).set(key("b"), 0));
    const watcher = new Watcher(kv, [key("a"), key("b")], { raw: true });
    const writer = await open();
    const last = 200;
    const writing = (async () => {
      for (let n = 1; n <= last; n++) {
        await commit(writer.atomic().set(key("a"), n).set(key("b"), n));
      }
    })();
    const [states] = await Promise.all([
      watcher.until(([a]) => a?.value === last),
      writing,
    ]);
    for (const [a, b] of states) {
      assert.equal(a?.value, b?.value);
      assert.equal(a?.versionstamp, b?.versionstamp);
    }
    await watcher.cancel();
  },

  async quickChangesEndAtTheLastState(context) {
    const { kv, key } = context;
    const watcher = await watchOf(context, "a");
    for (let n = 1; n <= 100; n++) await kv.set(key("a"), n);
    await kv.delete(key("a"));
    const { versionstamp } = await kv.set(key("a"), "last");
    const states = await watcher.until(([entry]) => entry?.value === "last");
    // Some may have been left out, but none comes twice, late or out of order.
    assert.equal(states.at(-1)?.[0]?.versionstamp, versionstamp);
    const numbers = values(states.flat()).filter((value) =>
      typeof value === "number"
    );
    assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
    assert.equal(new Set(numbers).size, numbers.length);
    assert.ok(states.length <= 102);
    await watcher.cancel();
  },

  async aFailedCheckIsNotTold(context) {
    const { kv, key } = context;
    const watcher = await watchOf(context, "a");
    await commitFails(
      kv.atomic().check({ key: key("a"), versionstamp: null }).set(
        key("a"),
        "never",
      ),
    );
    await kv.set(key("a"), "next");
    assert.deepEqual(values(await watcher.next()), ["next"]);
    await watcher.cancel();
  },

  async otherKeysAreNotTold(context) {
    const { kv, key } = context;
    const watcher = await watchOf(context, "a");
    await kv.set(key("b"), 1);
    await kv.set(key("a", "child"), 1);
    await kv.set(key("a\u0000"), 1);
    await kv.delete(key("a", "child"));
    await kv.set(key("a"), "next");
    assert.deepEqual(values(await watcher.next()), ["next"]);
    await watcher.cancel();
  },

  versionstampKeysAreToldUnderTheirFinalName: {
    requires: "commitVersionstamp",
    async run({ kv, key }) {
      // Nobody knows the name beforehand, but it is likely one of the next few.
      for (let attempt = 0; attempt < 20; attempt++) {
        const { versionstamp } = await kv.set(key("now"), attempt);
        const candidates = Array.from(
          { length: 10 },
          (_, n) => key("log", successor(versionstamp, n + 1)),
        );
        const watcher = new Watcher(kv, candidates);
        await watcher.next();
        const name = await commit(
          kv.atomic().set(key("log", kv.commitVersionstamp()), "event"),
        );
        const index = candidates.findIndex((candidate) =>
          candidate.at(-1) === name
        );
        if (index >= 0) {
          const entry = (await watcher.next())[index];
          assert.equal(entry?.value, "event");
          assert.equal(entry?.versionstamp, name);
          return await watcher.cancel();
        }
        await watcher.cancel();
      }
      assert.fail("no versionstamp came close to the one before it");
    },
  },
};

/** The versionstamp of the commit that many versions later. */
function successor(versionstamp: string, steps: number): string {
  const version = BigInt(`0x${versionstamp.slice(0, 16)}`) + BigInt(steps);
  return version.toString(16).padStart(16, "0") + versionstamp.slice(16);
}
