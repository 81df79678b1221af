// Lists in several requests: batch sizes below and above the client's own, and cursors.
import assert from "node:assert/strict";
import { assertEqual, collect, commit, lastParts } from "./assertions.ts";
import type { Cases, Context } from "./case.ts";

/** Stores 0 to count - 1 under "page" and returns their numbers. */
async function store({ kv, key }: Context, count: number): Promise<number[]> {
  const numbers = Array.from({ length: count }, (_, index) => index);
  for (let start = 0; start < count; start += 500) {
    const write = kv.atomic();
    for (const n of numbers.slice(start, start + 500)) {
      write.set(key("page", n), n);
    }
    await commit(write);
  }
  return numbers;
}

/** Reads page after page by cursor until a page is empty, and returns the pages. */
async function pages(
  kv: Deno.Kv,
  selector: Deno.KvListSelector,
  options: Deno.KvListOptions & { limit: number },
): Promise<(Deno.KvKeyPart | undefined)[][]> {
  const result: (Deno.KvKeyPart | undefined)[][] = [];
  let cursor: string | undefined;
  while (true) {
    const page = kv.list(selector, { ...options, cursor });
    const parts = await lastParts(page);
    // Only a page that was cut off has a cursor to go on from: at the end Deno gives
    // an empty one, which means the beginning.
    if (parts.length > 0) result.push(parts);
    if (parts.length < options.limit) return result;
    assert.ok(result.length < 100, "the pages never end");
    cursor = page.cursor;
  }
}

function chunks<T>(items: T[], size: number): T[][] {
  return Array.from(
    { length: Math.ceil(items.length / size) },
    (_, index) => items.slice(index * size, (index + 1) * size),
  );
}

export const paging: Cases = {
  async smallBatchesYieldEverythingOnce(context) {
    const numbers = await store(context, 23);
    const { kv, key } = context;
    const prefix = key("page");
    for (const batchSize of [1, 2, 5, 22, 23, 24]) {
      assert.deepEqual(
        await lastParts(kv.list({ prefix }, { batchSize })),
        numbers,
      );
      assert.deepEqual(
        await lastParts(kv.list({ prefix }, { batchSize, reverse: true })),
        numbers.toReversed(),
      );
    }
  },

  async largeBatchesYieldEverythingOnce(context) {
    const numbers = await store(context, 1_203);
    const { kv, key } = context;
    const prefix = key("page");
    for (const batchSize of [undefined, 100, 500, 1000]) {
      assertEqual(
        await lastParts(kv.list({ prefix }, { batchSize })),
        numbers,
      );
      assertEqual(
        await lastParts(kv.list({ prefix }, { batchSize, reverse: true })),
        numbers.toReversed(),
      );
    }
  },

  async batchesOfLargeValuesArrive(context) {
    const { kv, key } = context;
    const value = new Uint8Array(60_000).fill(1);
    for (let n = 0; n < 120; n += 10) {
      const write = kv.atomic();
      for (let offset = 0; offset < 10; offset++) {
        write.set(key(n + offset), value);
      }
      await commit(write);
    }
    const entries = await collect(
      kv.list({ prefix: key() }, { batchSize: 500 }),
    );
    assert.equal(entries.length, 120);
    for (const entry of entries) assertEqual(entry.value, value);
  },

  async cursorsGoOnWhereAPageEnded(context) {
    const numbers = await store(context, 23);
    const { kv, key } = context;
    const prefix = key("page");
    for (const limit of [1, 2, 7, 22]) {
      assert.deepEqual(
        await pages(kv, { prefix }, { limit }),
        chunks(numbers, limit),
      );
      const reversed = await pages(kv, { prefix }, { limit, reverse: true });
      assert.deepEqual(reversed, chunks(numbers.toReversed(), limit));
    }
    const inBatches = await pages(kv, { prefix }, { limit: 7, batchSize: 3 });
    assert.deepEqual(inBatches, chunks(numbers, 7));
  },

  async cursorsWorkWithEverySelector(context) {
    await store(context, 10);
    const { kv, key } = context;
    const prefix = key("page");
    const limit = 2;
    const from = { prefix, start: key("page", 5) };
    assert.deepEqual(await pages(kv, from, { limit }), [[5, 6], [7, 8], [9]]);
    const upTo = { prefix, end: key("page", 5) };
    assert.deepEqual(await pages(kv, upTo, { limit }), [[0, 1], [2, 3], [4]]);
    const range = { start: key("page", 3), end: key("page", 8) };
    assert.deepEqual(await pages(kv, range, { limit }), [[3, 4], [5, 6], [7]]);
    assert.deepEqual(
      await pages(kv, range, { limit, reverse: true }),
      [[7, 6], [5, 4], [3]],
    );
  },

  async aCursorHoldsThroughChanges(context) {
    await store(context, 6);
    const { kv, key } = context;
    const selector = { prefix: key("page") };
    const first = kv.list(selector, { limit: 3 });
    assert.deepEqual(await lastParts(first), [0, 1, 2]);
    // The entry that the cursor stands on goes, and others come on both sides of it.
    await commit(
      kv.atomic().delete(key("page", 2)).set(key("page", 1.5), 0)
        .set(key("page", 2.5), 0).delete(key("page", 3)),
    );
    const rest = await lastParts(kv.list(selector, { cursor: first.cursor }));
    assert.deepEqual(rest, [2.5, 4, 5]);
    const back = await lastParts(
      kv.list(selector, { cursor: first.cursor, reverse: true }),
    );
    assert.deepEqual(back, [1.5, 1, 0]);
  },

  async aCursorIsGoodOnAnotherConnection(context) {
    await store(context, 6);
    const { kv, key, open } = context;
    const first = kv.list({ prefix: key("page") }, { limit: 4 });
    assert.deepEqual(await lastParts(first), [0, 1, 2, 3]);
    const other = await open();
    const rest = other.list({ prefix: key("page") }, { cursor: first.cursor });
    assert.deepEqual(await lastParts(rest), [4, 5]);
  },
};
