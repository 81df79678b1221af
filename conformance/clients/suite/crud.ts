// get, getMany, set and delete.
import assert from "node:assert/strict";
import { assertAbsent, assertValue, collect } from "./assertions.ts";
import type { Cases } from "./case.ts";

export const crud: Cases = {
  async aKeyNeverSetIsAbsent({ kv, key }) {
    await assertAbsent(kv, key("nothing"));
    assert.deepEqual(await collect(kv.list({ prefix: key() })), []);
  },

  async setThenGet({ kv, key }) {
    const result = await kv.set(key("a"), "first");
    assert.equal(result.ok, true);
    assert.match(result.versionstamp, /^[0-9a-f]{20}$/);
    assert.deepEqual({ ...await kv.get(key("a")) }, {
      key: key("a"),
      value: "first",
      versionstamp: result.versionstamp,
    });
  },

  async setOverwrites({ kv, key }) {
    const first = await kv.set(key("a"), "first");
    const second = await kv.set(key("a"), { now: "second" });
    assert.equal(
      await assertValue(kv, key("a"), { now: "second" }),
      second.versionstamp,
    );
    assert.ok(second.versionstamp > first.versionstamp);
    // The same value again is a change all the same.
    const third = await kv.set(key("a"), { now: "second" });
    assert.equal(
      await assertValue(kv, key("a"), { now: "second" }),
      third.versionstamp,
    );
    assert.ok(third.versionstamp > second.versionstamp);
  },

  async setTouchesNoOtherKey({ kv, key }) {
    const { versionstamp } = await kv.set(key("a"), 1);
    await kv.set(key("a", "child"), 2);
    await kv.set(key("b"), 3);
    assert.equal(await assertValue(kv, key("a"), 1), versionstamp);
  },

  async deleteRemoves({ kv, key }) {
    await kv.set(key("a"), 1);
    await kv.set(key("a", "child"), 2);
    assert.equal(await kv.delete(key("a")), undefined);
    await assertAbsent(kv, key("a"));
    await assertValue(kv, key("a", "child"), 2);
    const remaining = await collect(kv.list({ prefix: key() }));
    assert.deepEqual(remaining.map((entry) => entry.key), [key("a", "child")]);
  },

  async deletingWhatIsAbsentIsNoError({ kv, key }) {
    await kv.delete(key("nothing"));
    await assertAbsent(kv, key("nothing"));
  },

  async aDeletedKeyCanBeSetAgain({ kv, key }) {
    const first = await kv.set(key("a"), 1);
    await kv.delete(key("a"));
    const second = await kv.set(key("a"), 2);
    assert.equal(await assertValue(kv, key("a"), 2), second.versionstamp);
    assert.ok(second.versionstamp > first.versionstamp);
  },

  async getManyKeepsTheOrderAskedFor({ kv, key }) {
    const a = await kv.set(key("a"), 1);
    const b = await kv.set(key("b"), 2);
    const entries = await kv.getMany([
      key("b"),
      key("none"),
      key("a"),
      key("b"),
    ]);
    assert.deepEqual(entries.map((entry) => ({ ...entry })), [
      { key: key("b"), value: 2, versionstamp: b.versionstamp },
      { key: key("none"), value: null, versionstamp: null },
      { key: key("a"), value: 1, versionstamp: a.versionstamp },
      { key: key("b"), value: 2, versionstamp: b.versionstamp },
    ]);
  },

  async getManyOfNothingIsEmpty({ kv }) {
    assert.deepEqual(await kv.getMany([]), []);
  },

  async getManyTakesNoNeighbourForAKey({ kv, key }) {
    await kv.set(key("b"), "the next key");
    await kv.set(key("a", "child"), "a child");
    const [entry] = await kv.getMany([key("a")]);
    assert.deepEqual({ ...entry }, {
      key: key("a"),
      value: null,
      versionstamp: null,
    });
    await assertAbsent(kv, key("a"));
  },

  async eventualReadsAnswerToo({ kv, key }) {
    const eventual = { consistency: "eventual" } as const;
    const { versionstamp } = await kv.set(key("a"), "here");
    // There is one server and one copy of the data, so even these are up to date.
    const expected = { key: key("a"), value: "here", versionstamp };
    assert.deepEqual({ ...await kv.get(key("a"), eventual) }, expected);
    const [entry] = await kv.getMany([key("a")], eventual);
    assert.deepEqual({ ...entry }, expected);
    const listed = await collect(kv.list({ prefix: key() }, eventual));
    assert.deepEqual(listed.map((item) => ({ ...item })), [expected]);
  },

  async anotherConnectionSeesAWriteAtOnce({ kv, key, open }) {
    const other = await open();
    for (let round = 0; round < 20; round++) {
      const { versionstamp } = await kv.set(key("a"), round);
      assert.equal(await assertValue(other, key("a"), round), versionstamp);
      await other.delete(key("a"));
      await assertAbsent(kv, key("a"));
    }
  },
};
