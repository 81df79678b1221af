// Errors: they reach the program in the server's words, and leave no trace otherwise.
import assert from "node:assert/strict";
import {
  assertAbsent,
  assertFails,
  assertValue,
  commit,
} from "./assertions.ts";
import type { Cases } from "./case.ts";

export const errors: Cases = {
  async aWrongTokenIsRefused({ open }) {
    await assertFails(() => open("not-the-token-of-this-server"), /401/);
  },

  async anErrorShowsStatusAndText({ kv, key }) {
    await kv.set(key("a"), "text");
    await assertFails(
      () => kv.atomic().sum(key("a"), 1n).commit(),
      /status(=|: )400 .*Failed to perform 'sum' mutation on a non-U64 value/,
    );
  },

  async anErrorLeavesTheConnectionUsable({ kv, key }) {
    await kv.set(key("a"), "text");
    for (let round = 0; round < 10; round++) {
      await assertFails(
        () => kv.atomic().sum(key("a"), 1n).commit(),
        /non-U64/,
      );
      await kv.set(key("b"), round);
      await assertValue(kv, key("b"), round);
    }
  },

  async failingWritesDoNotHarmOthers({ kv, key, KvU64 }) {
    await kv.set(key("text"), "text");
    const outcomes = await Promise.allSettled(
      Array.from(
        { length: 100 },
        (_, n) =>
          n % 2 === 0
            ? commit(kv.atomic().sum(key("count"), 1n).set(key("done", n), n))
            : kv.atomic().sum(key("text"), 1n).commit(),
      ),
    );
    for (const [n, outcome] of outcomes.entries()) {
      assert.equal(outcome.status, n % 2 === 0 ? "fulfilled" : "rejected");
      if (n % 2 === 0) await assertValue(kv, key("done", n), n);
    }
    await assertValue(kv, key("count"), new KvU64(50n));
    await assertValue(kv, key("text"), "text");
  },

  async whatFailsAmongOthersLeavesNothing({ kv, key, KvU64 }) {
    await kv.set(key("text"), "text");
    await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) => {
        const write = kv.atomic().sum(key("count"), 1n).set(key("done", n), n);
        if (n % 2 === 1) write.sum(key("text"), 1n);
        return write.commit();
      }),
    );
    for (let n = 0; n < 100; n++) {
      if (n % 2 === 0) await assertValue(kv, key("done", n), n);
      else await assertAbsent(kv, key("done", n));
    }
    await assertValue(kv, key("count"), new KvU64(50n));
  },
};
