// Sums over numbers and bigints, which Deno sends with `mutate`.
import assert from "node:assert/strict";
import { assertAbsent, assertFails, assertValue } from "./assertions.ts";
import type { Cases, Context } from "./case.ts";

/** Adds the operand, of a type that Deno knows but its types do not name. */
async function add(
  { kv }: Context,
  key: Deno.KvKey,
  operand: unknown,
): Promise<string> {
  const mutation = { type: "sum", key, value: operand as Deno.KvU64 } as const;
  const result = await kv.atomic().mutate(mutation).commit();
  assert.ok(result.ok);
  return result.versionstamp;
}

export const sums: Cases = {
  async numbersAddUp(context) {
    const { kv, key } = context;
    const versionstamp = await add(context, key("a"), 1);
    assert.equal(await assertValue(kv, key("a"), 1), versionstamp);
    await add(context, key("a"), 0.5);
    await add(context, key("a"), -4);
    await assertValue(kv, key("a"), -2.5);
    await kv.set(key("b"), 41);
    await add(context, key("b"), 1);
    await assertValue(kv, key("b"), 42);
  },

  async bigintsAddUp(context) {
    const { kv, key } = context;
    await add(context, key("a"), 1n);
    await add(context, key("a"), -3n);
    await assertValue(kv, key("a"), -2n);
    await kv.set(key("b"), 2n ** 200n);
    await add(context, key("b"), -(2n ** 199n));
    await assertValue(kv, key("b"), 2n ** 199n);
  },

  async aBigintAddsToACounter(context) {
    const { kv, key, KvU64 } = context;
    await kv.set(key("a"), new KvU64(2n ** 64n - 1n));
    await add(context, key("a"), 2n);
    await assertValue(kv, key("a"), new KvU64(1n));
    await assertFails(
      () => add(context, key("a"), -1n),
      /Cannot sum KvU64 with BigInt/,
    );
  },

  async typesAreNotMixed(context) {
    const { kv, key, KvU64 } = context;
    // The texts are the reference server's, and programs look for them.
    const refused: [unknown, unknown, RegExp][] = [
      [1, 1n, /Cannot sum Number with BigInt/],
      [1n, 1, /Cannot sum BigInt with Number/],
      [new KvU64(1n), 1, /Cannot sum KvU64 with Number/],
      ["1", 1, /unsupported value type/],
      [new Uint8Array(8), 1, /unsupported value type/],
      [1, "1", /Some of the parameters are not valid V8 values/],
      [1, null, /Some of the parameters are not valid V8 values/],
    ];
    for (const [stored, operand, text] of refused) {
      await kv.set(key("a"), stored);
      await assertFails(() => add(context, key("a"), operand), text);
      await assertValue(kv, key("a"), stored);
    }
    await assertFails(
      () => add(context, key("absent"), "1"),
      /Some of the parameters are not valid V8 values/,
    );
    await assertAbsent(kv, key("absent"));
  },

  async concurrentSumsOfNumbersAddUp(context) {
    const { kv, key } = context;
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => add(context, key("a"), n)),
    );
    await assertValue(kv, key("a"), 4950);
  },
};
