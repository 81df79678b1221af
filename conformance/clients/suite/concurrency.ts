// Many at once: nothing is lost, nothing is seen half done.
import assert from "node:assert/strict";
import { assertValue, collect, commit } from "./assertions.ts";
import type { Cases } from "./case.ts";

/** Applies a change to a key under a check, again and again until it is through. */
async function optimistically<T>(
  kv: Deno.Kv,
  key: Deno.KvKey,
  change: (value: T | null) => T,
): Promise<void> {
  while (true) {
    const entry = await kv.get<T>(key);
    const write = kv.atomic().check(entry).set(key, change(entry.value));
    if ((await write.commit()).ok) return;
  }
}

async function times(
  count: number,
  action: (n: number) => Promise<void>,
): Promise<void> {
  for (let n = 0; n < count; n++) await action(n);
}

/** Looks again and again while the work is under way. */
async function meanwhile(
  work: Promise<unknown>,
  look: () => Promise<void>,
): Promise<void> {
  let working = true;
  const looking = (async () => {
    while (working) await look();
  })();
  await Promise.all([work.finally(() => working = false), looking]);
}

export const concurrency: Cases = {
  async racingIncrementsAreAllCounted({ kv, key, open }) {
    const racers = [kv, await open(), await open(), kv];
    await Promise.all(
      racers.map((racer) =>
        times(
          25,
          () =>
            optimistically<number>(
              racer,
              key("n"),
              (value) => (value ?? 0) + 1,
            ),
        )
      ),
    );
    await assertValue(kv, key("n"), 100);
  },

  async onlyOneOfManyCreatorsWins({ kv, key, open }) {
    const racers = [kv, await open()];
    for (let round = 0; round < 10; round++) {
      const absent = { key: key(round), versionstamp: null };
      const results = await Promise.all(
        Array.from(
          { length: 10 },
          (_, n) =>
            (racers[n % 2] as Deno.Kv).atomic().check(absent).set(key(round), n)
              .commit(),
        ),
      );
      const winners = [...results.keys()].filter((n) => results[n]?.ok);
      assert.equal(winners.length, 1);
      await assertValue(kv, key(round), winners[0]);
    }
  },

  async concurrentSumsAddUp({ kv, key, open, KvU64 }) {
    const racers = [kv, await open()];
    await Promise.all(
      Array.from(
        { length: 200 },
        (_, n) =>
          commit((racers[n % 2] as Deno.Kv).atomic().sum(key("n"), BigInt(n))),
      ),
    );
    await assertValue(kv, key("n"), new KvU64(19_900n));
  },

  async manySetsAndGetsAtOnce({ kv, key }) {
    const numbers = Array.from({ length: 300 }, (_, n) => n);
    await Promise.all(numbers.map((n) => kv.set(key(n), { n })));
    const entries = await Promise.all(
      numbers.map((n) => kv.get<{ n: number }>(key(n))),
    );
    assert.deepEqual(entries.map((entry) => entry.value?.n), numbers);
    const lists = await Promise.all(
      numbers.slice(0, 20).map(() => collect(kv.list({ prefix: key() }))),
    );
    for (const list of lists) assert.equal(list.length, 300);
  },

  async writesOfOneKeyAtOnceEndAtTheLatest({ kv, key }) {
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, n) => kv.set(key("a"), n)),
    );
    const versionstamps = results.map((result) => result.versionstamp);
    const latest = versionstamps.toSorted().at(-1) as string;
    const value = versionstamps.indexOf(latest);
    assert.equal(await assertValue(kv, key("a"), value), latest);
  },

  async readsNeverSeeHalfAWrite({ kv, key, open }) {
    const writer = await open();
    const write = (n: number) =>
      commit(
        writer.atomic().set(key("a"), n).set(key("b"), n).set(key("c"), n),
      );
    await write(0);
    await meanwhile(times(150, async (n) => void await write(n)), async () => {
      const [a, b, c] = await kv.getMany<[number, number, number]>(
        [key("a"), key("b"), key("c")],
      );
      assert.deepEqual([b.value, c.value], [a.value, a.value]);
      assert.deepEqual(
        [b.versionstamp, c.versionstamp],
        [a.versionstamp, a.versionstamp],
      );
      const listed = await collect(kv.list<number>({ prefix: key() }));
      assert.equal(new Set(listed.map((entry) => entry.versionstamp)).size, 1);
    });
    await assertValue(kv, key("a"), 149);
  },

  async transfersKeepTheTotal({ kv, key, open }) {
    const accounts = 5;
    const total = 500;
    for (let n = 0; n < accounts; n++) await kv.set(key(n), total / accounts);
    const transfer = async (racer: Deno.Kv, from: number, to: number) => {
      while (true) {
        const [source, target] = await racer.getMany<[number, number]>(
          [key(from), key(to)],
        );
        const write = racer.atomic()
          .check(source, target)
          .set(key(from), (source.value as number) - 1)
          .set(key(to), (target.value as number) + 1);
        if ((await write.commit()).ok) return;
      }
    };
    const racers = [kv, await open(), await open()];
    const transfers = racers.map((racer, start) =>
      times(30, (n) => {
        const from = (start + n) % accounts;
        return transfer(racer, from, (from + 1 + n % 4) % accounts);
      })
    );
    await meanwhile(Promise.all(transfers), async () => {
      const balances = await collect(kv.list<number>({ prefix: key() }));
      assert.equal(balances.length, accounts);
      assert.equal(
        balances.reduce((sum, entry) => sum + entry.value, 0),
        total,
      );
    });
  },
};
