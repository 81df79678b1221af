// Expiry as a watch is told of it.
import assert from "node:assert/strict";
import type { Cases } from "./case.ts";
import { clockShows, expiring } from "./waiting.ts";
import { values, Watcher } from "./watcher.ts";

export const expiryWatch: Cases = {
  async aWatchIsToldAtTheTime({ kv, key }) {
    await kv.set(key("b"), "stays");
    // Twice, so that no sweep that happens to be due can pass for a telling in time.
    for (const round of [1, 2]) {
      const { notBefore, notAfter } = await expiring(
        400,
        () => kv.set(key("a"), round, { expireIn: 400 }),
      );
      const watcher = new Watcher(kv, [key("a"), key("b")]);
      assert.deepEqual(values(await watcher.next()), [round, "stays"]);
      const [a, b] = await watcher.next(notAfter - Date.now() + 1_000);
      assert.deepEqual({ ...a }, {
        key: key("a"),
        value: null,
        versionstamp: null,
      });
      assert.equal(b?.value, "stays");
      assert.ok(Date.now() >= notBefore, "told too early");
      await watcher.cancel();
    }
  },

  async aWatchIsToldOfEachExpiry({ kv, key }) {
    await kv.set(key("a"), 1, { expireIn: 300 });
    await kv.set(key("b"), 2, { expireIn: 600 });
    await kv.set(key("c"), 3);
    const watcher = new Watcher(kv, [key("a"), key("b"), key("c")]);
    assert.deepEqual(values(await watcher.next()), [1, 2, 3]);
    assert.deepEqual(values(await watcher.next(1_300)), [null, 2, 3]);
    assert.deepEqual(values(await watcher.next(1_300)), [null, null, 3]);
    await watcher.cancel();
  },

  async aWatchIsToldOfAnExpirySetWhileItWatches({ kv, key }) {
    await kv.set(key("a"), "first");
    const watcher = new Watcher(kv, [key("a")]);
    assert.deepEqual(values(await watcher.next()), ["first"]);
    for (const round of [1, 2]) {
      await kv.set(key("a"), round, { expireIn: 300 });
      assert.deepEqual(values(await watcher.next()), [round]);
      assert.deepEqual(values(await watcher.next(1_300)), [null]);
    }
    await kv.set(key("a"), "last");
    assert.deepEqual(values(await watcher.next()), ["last"]);
    await watcher.cancel();
  },

  async aWithdrawnExpiryIsNotTold({ kv, key }) {
    const { notAfter } = await expiring(
      200,
      () => kv.set(key("a"), "short-lived", { expireIn: 200 }),
    );
    const watcher = new Watcher(kv, [key("a")]);
    assert.deepEqual(values(await watcher.next()), ["short-lived"]);
    await kv.set(key("a"), "for good");
    assert.deepEqual(values(await watcher.next()), ["for good"]);
    await clockShows(notAfter + 100);
    await kv.set(key("a"), "changed");
    assert.deepEqual(values(await watcher.next()), ["changed"]);
    await watcher.cancel();
  },
};
