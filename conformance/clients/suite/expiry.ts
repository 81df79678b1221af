// expireIn: a key is there until its time, and absent from exactly then on.
import assert from "node:assert/strict";
import {
  assertAbsent,
  assertValue,
  collect,
  commit,
  lastParts,
} from "./assertions.ts";
import type { Cases } from "./case.ts";
import { clockShows, expiring, pause } from "./waiting.ts";

/**
 * Asserts that what `isPresent` asks for changes at its time: it polls from the write
 * to the first answer that was asked for after the time.
 */
async function assertExpiresOnTime(
  write: (expireIn: number) => Promise<unknown>,
  isPresent: () => Promise<boolean>,
): Promise<void> {
  // A busy machine may let the time pass before the first look: then more of it.
  for (const expireIn of [300, 1_200, 4_800]) {
    const bounds = await expiring(expireIn, () => write(expireIn));
    let seenInTime = false;
    while (true) {
      const asked = Date.now();
      const present = await isPresent();
      const answered = Date.now();
      if (answered < bounds.notBefore) {
        assert.ok(
          present,
          `absent ${bounds.notBefore - answered} ms too early`,
        );
        seenInTime = true;
      }
      if (asked >= bounds.notAfter) {
        assert.ok(
          !present,
          `still there ${asked - bounds.notAfter} ms after its time`,
        );
        break;
      }
      await pause();
    }
    if (seenInTime) return;
  }
  assert.fail("the machine is too slow to look at a key before it expires");
}

export const expiry: Cases = {
  async getSeesTheKeyUntilItsTime({ kv, key }) {
    await assertExpiresOnTime(
      (expireIn) => kv.set(key("a"), "short-lived", { expireIn }),
      async () => (await kv.get(key("a"))).versionstamp !== null,
    );
    await assertAbsent(kv, key("a"));
  },

  async eventualReadsSeeTheKeyUntilItsTime({ kv, key }) {
    await assertExpiresOnTime(
      (expireIn) => kv.set(key("a"), "short-lived", { expireIn }),
      async () => {
        const [entry] = await kv.getMany([key("a")], {
          consistency: "eventual",
        });
        return entry.versionstamp !== null;
      },
    );
  },

  async listSeesTheKeyUntilItsTime({ kv, key }) {
    await assertExpiresOnTime(
      (expireIn) =>
        kv.atomic().set(key("a"), "short-lived", { expireIn }).commit(),
      async () => (await collect(kv.list({ prefix: key() }))).length === 1,
    );
  },

  async aNullCheckPassesFromItsTimeOn({ kv, key }) {
    await assertExpiresOnTime(
      (expireIn) => kv.set(key("lock"), "held", { expireIn }),
      async () => {
        const absent = { key: key("lock"), versionstamp: null };
        return !(await kv.atomic().check(absent).commit()).ok;
      },
    );
  },

  async aCheckOfItsVersionstampFailsFromItsTimeOn({ kv, key }) {
    let versionstamp = "";
    await assertExpiresOnTime(
      async (expireIn) => {
        ({ versionstamp } = await kv.set(key("a"), "short-lived", {
          expireIn,
        }));
      },
      async () => {
        const held = { key: key("a"), versionstamp };
        return (await kv.atomic().check(held).commit()).ok;
      },
    );
  },

  async arithmeticStartsAnewOnAnExpiredCounter({ kv, key, KvU64 }) {
    const { notAfter } = await expiring(50, () =>
      commit(
        kv.atomic()
          .set(key("sum"), new KvU64(41n), { expireIn: 50 })
          .set(key("min"), new KvU64(41n), { expireIn: 50 })
          .set(key("max"), new KvU64(41n), { expireIn: 50 })
          .set(key("text"), "no number", { expireIn: 50 }),
      ));
    await clockShows(notAfter);
    await commit(
      kv.atomic()
        .sum(key("sum"), 1n)
        .min(key("min"), 50n)
        .max(key("max"), 7n)
        .sum(key("text"), 1n),
    );
    await assertValue(kv, key("sum"), new KvU64(1n));
    await assertValue(kv, key("min"), new KvU64(50n));
    await assertValue(kv, key("max"), new KvU64(7n));
    await assertValue(kv, key("text"), new KvU64(1n));
  },

  async settingAgainWithoutExpireInKeepsTheKey({ kv, key }) {
    const { notAfter } = await expiring(
      200,
      () => kv.set(key("a"), "short-lived", { expireIn: 200 }),
    );
    await kv.set(key("a"), "for good");
    await clockShows(notAfter + 20);
    await assertValue(kv, key("a"), "for good");
    assert.deepEqual(await lastParts(kv.list({ prefix: key() })), ["a"]);
  },

  async arithmeticMakesACounterStay({ kv, key, KvU64 }) {
    const names = ["sum", "min", "max"] as const;
    const { notAfter } = await expiring(200, async () => {
      for (const name of names) {
        await kv.set(key(name), new KvU64(5n), { expireIn: 200 });
      }
    });
    // As with a set: the mutation names no expiry, so there is none from now on.
    for (const name of names) await commit(kv.atomic()[name](key(name), 5n));
    await clockShows(notAfter + 20);
    await assertValue(kv, key("sum"), new KvU64(10n));
    await assertValue(kv, key("min"), new KvU64(5n));
    await assertValue(kv, key("max"), new KvU64(5n));
  },

  async settingAgainMovesTheTime({ kv, key }) {
    const early = await expiring(
      200,
      () => kv.set(key("longer"), "v", { expireIn: 200 }),
    );
    await kv.set(key("longer"), "v", { expireIn: 60_000 });
    await kv.set(key("shorter"), "v", { expireIn: 60_000 });
    const moved = await expiring(
      200,
      () => kv.set(key("shorter"), "v", { expireIn: 200 }),
    );
    await clockShows(Math.max(early.notAfter, moved.notAfter));
    await assertValue(kv, key("longer"), "v");
    await assertAbsent(kv, key("shorter"));
  },

  async anExpiredKeyCanBeSetAgain({ kv, key }) {
    const first = await kv.set(key("a"), "first", { expireIn: 20 });
    await clockShows(Date.now() + 20);
    const second = await kv.set(key("a"), "second");
    assert.ok(second.versionstamp > first.versionstamp);
    assert.equal(
      await assertValue(kv, key("a"), "second"),
      second.versionstamp,
    );
  },

  async expiredKeysTakeNoPlaceInABatch({ kv, key }) {
    const write = kv.atomic();
    const { notAfter } = await expiring(50, () => {
      for (let n = 0; n < 40; n++) {
        // Three of four go. A client takes a batch that is not full for the last one.
        write.set(key(n), n, n % 4 === 0 ? {} : { expireIn: 50 });
      }
      return commit(write);
    });
    await clockShows(notAfter);
    const prefix = key();
    const kept = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36];
    for (const batchSize of [1, 2, 3, 100]) {
      assert.deepEqual(
        await lastParts(kv.list({ prefix }, { batchSize })),
        kept,
      );
      assert.deepEqual(
        await lastParts(kv.list({ prefix }, { batchSize, reverse: true })),
        kept.toReversed(),
      );
    }
    assert.deepEqual(await lastParts(kv.list({ prefix }, { limit: 3 })), [
      0,
      4,
      8,
    ]);
  },

  expireInZeroIsOverAtOnce: {
    requires: "zeroExpireIn",
    async run({ kv, key }) {
      await kv.set(key("a"), "old");
      await kv.set(key("a"), "gone", { expireIn: 0 });
      await assertAbsent(kv, key("a"));
    },
  },

  versionstampKeysExpireToo: {
    requires: "commitVersionstamp",
    async run({ kv, key }) {
      let versionstamp = "";
      await assertExpiresOnTime(
        async (expireIn) => {
          versionstamp = await commit(
            kv.atomic().set(key("log", kv.commitVersionstamp()), 1, {
              expireIn,
            }),
          );
        },
        async () =>
          (await kv.get(key("log", versionstamp))).versionstamp !== null,
      );
    },
  },
};
