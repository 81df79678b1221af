// What many cases assert, in words.
import assert from "node:assert/strict";
import { inspect, isDeepStrictEqual } from "node:util";

/** Like assert.deepEqual, whose differences take minutes to draw for large values. */
export function assertEqual(actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  const show = (value: unknown) =>
    inspect(value, { depth: 8, maxArrayLength: 20, maxStringLength: 200 });
  assert.fail(`expected ${show(expected)}, found ${show(actual)}`);
}

/** Collects a list, and so reads it to its end. */
export async function collect<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of list) items.push(item);
  return items;
}

/** The last part of each key that a list yields. */
export async function lastParts(
  list: AsyncIterable<Deno.KvEntry<unknown>>,
): Promise<(Deno.KvKeyPart | undefined)[]> {
  return (await collect(list)).map((entry) => entry.key.at(-1));
}

/** Commits a write that has to succeed, and returns its versionstamp. */
export async function commit(write: Deno.AtomicOperation): Promise<string> {
  const result = await write.commit();
  assert.equal(result.ok, true, "the commit failed a check");
  assert.match((result as Deno.KvCommitResult).versionstamp, /^[0-9a-f]{20}$/);
  return (result as Deno.KvCommitResult).versionstamp;
}

/** Commits a write whose checks have to fail. */
export async function commitFails(write: Deno.AtomicOperation): Promise<void> {
  assert.deepEqual({ ...await write.commit() }, { ok: false });
}

/** Asserts that the key is there with this value, and returns its versionstamp. */
export async function assertValue(
  kv: Deno.Kv,
  key: Deno.KvKey,
  value: unknown,
): Promise<string> {
  const entry = await kv.get(key);
  assert.notEqual(entry.versionstamp, null, "the key is absent");
  assertEqual(entry.value, value);
  assert.deepEqual(entry.key, key);
  return entry.versionstamp as string;
}

/** Asserts that the key is absent. */
export async function assertAbsent(
  kv: Deno.Kv,
  key: Deno.KvKey,
): Promise<void> {
  assert.deepEqual({ ...await kv.get(key) }, {
    key,
    value: null,
    versionstamp: null,
  });
}

/** Asserts that the call fails with a message of this pattern, thrown or rejected. */
export async function assertFails(
  call: () => unknown,
  pattern: RegExp,
): Promise<void> {
  // Deno finds some mistakes while the call is made and others later: both count.
  await assert.rejects(async () => {
    await call();
  }, (error) => {
    assert.match((error as Error).message, pattern);
    return true;
  });
}
