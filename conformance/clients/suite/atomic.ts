// Atomic writes: checks, and all or nothing.
import assert from "node:assert/strict";
import {
  assertAbsent,
  assertValue,
  commit,
  commitFails,
} from "./assertions.ts";
import type { Cases } from "./case.ts";

/** A well-formed versionstamp that no commit of a test database reaches. */
const neverCommitted = "7fffffffffffffff0000";

export const atomic: Cases = {
  async severalKeysGetOneVersionstamp({ kv, key }) {
    await kv.set(key("c"), "old");
    const versionstamp = await commit(
      kv.atomic().set(key("a"), 1).set(key("b"), 2).delete(key("c")),
    );
    assert.equal(await assertValue(kv, key("a"), 1), versionstamp);
    assert.equal(await assertValue(kv, key("b"), 2), versionstamp);
    await assertAbsent(kv, key("c"));
  },

  async aCheckOfTheCurrentVersionstampPasses({ kv, key }) {
    const { versionstamp } = await kv.set(key("a"), 1);
    const next = await commit(
      kv.atomic().check({ key: key("a"), versionstamp }).set(key("a"), 2),
    );
    assert.ok(next > versionstamp);
    assert.equal(await assertValue(kv, key("a"), 2), next);
  },

  async aCheckTakesAnEntryAsItIs({ kv, key }) {
    await kv.set(key("a"), 1);
    const present = await kv.get(key("a"));
    const absent = await kv.get(key("b"));
    await commit(kv.atomic().check(present, absent).set(key("b"), 2));
    await assertValue(kv, key("b"), 2);
    await commitFails(kv.atomic().check(present, absent).set(key("b"), 3));
    await assertValue(kv, key("b"), 2);
  },

  async aCheckOfAnOldVersionstampFails({ kv, key }) {
    const { versionstamp: old } = await kv.set(key("a"), 1);
    const { versionstamp: current } = await kv.set(key("a"), 1);
    await commitFails(
      kv.atomic().check({ key: key("a"), versionstamp: old }).set(key("a"), 2),
    );
    assert.equal(await assertValue(kv, key("a"), 1), current);
    await commitFails(
      kv.atomic().check({ key: key("a"), versionstamp: neverCommitted })
        .set(key("a"), 2),
    );
    assert.equal(await assertValue(kv, key("a"), 1), current);
  },

  async aNullCheckMeansAbsent({ kv, key }) {
    const absent = { key: key("a"), versionstamp: null };
    await commit(kv.atomic().check(absent).set(key("a"), "created"));
    await commitFails(kv.atomic().check(absent).set(key("a"), "created again"));
    await assertValue(kv, key("a"), "created");
    await kv.delete(key("a"));
    await commit(kv.atomic().check(absent).set(key("a"), "created anew"));
    await assertValue(kv, key("a"), "created anew");
  },

  async aCheckOfADeletedKeyFails({ kv, key }) {
    const { versionstamp } = await kv.set(key("a"), 1);
    await kv.delete(key("a"));
    await commitFails(
      kv.atomic().check({ key: key("a"), versionstamp }).set(key("b"), 1),
    );
    await assertAbsent(kv, key("b"));
  },

  async anAbsentKeyHasNoVersionstampToCheck({ kv, key }) {
    const { versionstamp } = await kv.set(key("b"), 1);
    await commitFails(
      kv.atomic().check({ key: key("a"), versionstamp }).set(key("b"), 2),
    );
    await assertValue(kv, key("b"), 1);
  },

  async allOfSeveralChecksMustPass({ kv, key }) {
    const names = ["a", "b", "c", "d"];
    const checks: Deno.AtomicCheck[] = [];
    for (const name of names) {
      const { versionstamp } = await kv.set(key(name), name);
      checks.push({ key: key(name), versionstamp });
    }
    checks.push({ key: key("none"), versionstamp: null });
    await commit(kv.atomic().check(...checks).set(key("done"), 0));
    // Whichever of them fails, alone, nothing is written.
    for (const [failing, check] of checks.entries()) {
      const wrong = checks.with(failing, {
        ...check,
        versionstamp: neverCommitted,
      });
      const write = kv.atomic();
      for (const each of wrong) write.check(each);
      await commitFails(write.set(key("done"), failing + 1));
      await assertValue(kv, key("done"), 0);
    }
  },

  async aCheckMayConcernAKeyThatIsNotWritten({ kv, key }) {
    const { versionstamp } = await kv.set(key("lock"), "mine");
    await commit(
      kv.atomic().check({ key: key("lock"), versionstamp }).set(key("data"), 1),
    );
    assert.equal(await assertValue(kv, key("lock"), "mine"), versionstamp);
    await assertValue(kv, key("data"), 1);
  },

  async aFailedCheckUndoesEveryKindOfMutation({ kv, key, KvU64 }) {
    await kv.set(key("kept"), "here");
    await kv.set(key("count"), new KvU64(5n));
    const before = await kv.getMany([key("kept"), key("count"), key("new")]);
    await commitFails(
      kv.atomic()
        .set(key("new"), 1)
        .delete(key("kept"))
        .sum(key("count"), 1n)
        .max(key("count"), 100n)
        .check({ key: key("kept"), versionstamp: null }),
    );
    const after = await kv.getMany([key("kept"), key("count"), key("new")]);
    assert.deepEqual(after, before);
  },

  async checksAloneCanBeCommitted({ kv, key }) {
    const { versionstamp } = await kv.set(key("a"), 1);
    const later = await commit(
      kv.atomic().check({ key: key("a"), versionstamp }),
    );
    assert.ok(later > versionstamp);
    assert.equal(await assertValue(kv, key("a"), 1), versionstamp);
    await commitFails(kv.atomic().check({ key: key("a"), versionstamp: null }));
  },

  async anEmptyWriteCommits({ kv, key }) {
    const { versionstamp } = await kv.set(key("a"), 1);
    const first = await commit(kv.atomic());
    const second = await commit(kv.atomic());
    assert.ok(first > versionstamp);
    assert.ok(second > first);
  },

  async aCommitRepeatedIsAWriteOfItsOwn({ kv, key, KvU64 }) {
    const write = kv.atomic().sum(key("count"), 1n);
    const first = await commit(write);
    const second = await commit(write);
    assert.ok(second > first);
    assert.equal(await assertValue(kv, key("count"), new KvU64(2n)), second);
  },
};
