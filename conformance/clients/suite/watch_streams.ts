// The streams that carry watches: connections, how they end, and how many there may be.
import assert from "node:assert/strict";
import { assertValue } from "./assertions.ts";
import type { Cases } from "./case.ts";
import { clockShows } from "./waiting.ts";
import { values, Watcher, watchOf } from "./watcher.ts";

export const watchStreams: Cases = {
  async changesFromAnotherConnectionAreTold(context) {
    const { key, open } = context;
    const watcher = await watchOf(context, "a");
    const other = await open();
    await other.set(key("a"), "from elsewhere");
    assert.deepEqual(values(await watcher.next()), ["from elsewhere"]);
    await other.delete(key("a"));
    assert.deepEqual(values(await watcher.next()), [null]);
    await watcher.cancel();
  },

  async severalWatchesOfOneKeyAreAllTold(context) {
    const { kv, key, open } = context;
    const other = await open();
    const first = await watchOf(context, "a");
    const second = new Watcher(other, [key("a")]);
    const third = new Watcher(kv, [key("a"), key("b")]);
    await second.next();
    await third.next();
    await kv.set(key("a"), 1);
    for (const watcher of [first, second, third]) {
      assert.equal((await watcher.next())[0]?.value, 1);
    }
    // The end of one is not the end of the others.
    await first.cancel();
    await kv.set(key("a"), 2);
    for (const watcher of [second, third]) {
      assert.equal((await watcher.next())[0]?.value, 2);
    }
    await second.cancel();
    await third.cancel();
  },

  async cancelEndsAWatchAndNothingElse(context) {
    const { kv, key } = context;
    const watcher = await watchOf(context, "a");
    await watcher.cancel();
    await watcher.ends();
    await kv.set(key("a"), "after");
    await assertValue(kv, key("a"), "after");
    const again = new Watcher(kv, [key("a")]);
    assert.deepEqual(values(await again.next()), ["after"]);
    await again.cancel();
  },

  closeEndsAWatch: {
    requires: "closeEndsWatch",
    async run(context) {
      const { kv, key, open } = context;
      const other = await open();
      const watcher = await watchOf({ ...context, kv: other }, "a");
      const end = watcher.ends();
      other.close();
      await end;
      await assertValue(kv, key("a"), "first");
    },
  },

  async aQuietWatchStaysOpen(context) {
    const { kv, key } = context;
    const watcher = await watchOf(context, "a");
    // Longer than the time between the empty frames that keep proxies from hanging up.
    await clockShows(Date.now() + 6_000);
    await kv.set(key("a"), "after a while");
    assert.deepEqual(values(await watcher.next()), ["after a while"]);
    await watcher.cancel();
  },

  async manyOpenWatchesBlockNothing({ kv, key }) {
    // Deno carries all of them on one HTTP/2 connection, where a server that allows
    // too few streams makes every further call wait for a watch to end.
    await kv.set(key("a"), "first");
    const watchers = Array.from(
      { length: 300 },
      () => new Watcher(kv, [key("a")]),
    );
    const first = await Promise.all(watchers.map((watcher) => watcher.next()));
    for (const state of first) assert.deepEqual(values(state), ["first"]);
    await kv.set(key("a"), "second");
    await assertValue(kv, key("a"), "second");
    const second = await Promise.all(watchers.map((watcher) => watcher.next()));
    for (const state of second) assert.deepEqual(values(state), ["second"]);
    await Promise.all(watchers.map((watcher) => watcher.cancel()));
  },

  watchingNoKeysIsCalm: {
    requires: "watchOfNoKeys",
    async run({ kv, key }) {
      const reader = kv.watch([]).getReader();
      const first = reader.read();
      await kv.set(key("a"), 1);
      await assertValue(kv, key("a"), 1);
      await reader.cancel();
      const { value } = await first;
      assert.deepEqual(value ?? [], []);
    },
  },
};
