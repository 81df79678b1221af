// Values: what can be stored comes back the same, what cannot is refused by the client.
import assert from "node:assert/strict";
import { KvU64 } from "../runtime.ts";
import {
  assertAbsent,
  assertFails,
  assertValue,
  collect,
  commit,
} from "./assertions.ts";
import type { Cases, Context, Run } from "./case.ts";
import { assertSame } from "./same.ts";
import { denoSamples, sampleValues } from "./samples.ts";

/** Stores each value every way there is, and reads it back every way there is. */
function comeBack(samples: unknown[]): Run {
  return async ({ kv, key }) => {
    for (const [index, value] of samples.entries()) {
      await kv.set(key(index, "set"), value);
      const direct = await kv.get(key(index, "set"));
      assertSame(direct.value, value);
      await commit(kv.atomic().set(key(index, "atomic"), value));
      const [written] = await kv.getMany([key(index, "atomic")]);
      assertSame(written.value, value);
      const listed = await collect(kv.list({ prefix: key(index) }));
      assert.equal(listed.length, 2);
      for (const entry of listed) assertSame(entry.value, value);
    }
    // One after the other overwrites whatever kind of value was there before.
    for (const value of samples) {
      await kv.set(key("one"), value);
      assertSame((await kv.get(key("one"))).value, value);
    }
  };
}

const cases = Object.entries(sampleValues(KvU64)).map(([kind, samples]) =>
  [kind, comeBack(samples)] as const
);
const denoCases = Object.entries(denoSamples).map(([kind, samples]) =>
  [kind, {
    requires: "wholeClone",
    run: (context: Context) => comeBack(samples())(context),
  }] as const
);

export const values: Cases = {
  ...Object.fromEntries(cases),
  ...Object.fromEntries(denoCases),

  async errorsKeepClassMessageCauseAndStack({ kv, key }) {
    const classes = [
      Error,
      RangeError,
      TypeError,
      SyntaxError,
      ReferenceError,
      EvalError,
      URIError,
    ];
    for (const ErrorClass of classes) {
      const error = new ErrorClass("boom 😀", { cause: { code: 7 } });
      await kv.set(key("error"), error);
      const value = (await kv.get<Error>(key("error"))).value as Error;
      assert.equal(Object.getPrototypeOf(value), ErrorClass.prototype);
      assert.equal(value.name, error.name);
      assert.equal(value.message, "boom 😀");
      assert.deepEqual(value.cause, { code: 7 });
      assert.equal(value.stack, error.stack);

      delete error.stack;
      await kv.set(key("error"), error);
      const bare = (await kv.get<Error>(key("error"))).value as Error;
      assert.equal(Object.getPrototypeOf(bare), ErrorClass.prototype);
      assert.equal(bare.message, "boom 😀");
    }
  },

  async instancesOfClassesComeBackAsPlainObjects({ kv, key, KvU64 }) {
    class Point {
      x = 1;
      #secret = 2;
      get double() {
        return this.x * this.#secret;
      }
    }
    await kv.set(key("point"), new Point());
    await assertValue(kv, key("point"), { x: 1 });
    // A KvU64 is special only as the whole value.
    await kv.set(key("nested"), { count: new KvU64(3n) });
    await assertValue(kv, key("nested"), { count: { value: 3n } });
  },

  async nullAndUndefinedAreNotAbsence({ kv, key }) {
    for (const value of [null, undefined]) {
      const { versionstamp } = await kv.set(key("nothing"), value);
      const entry = await kv.get(key("nothing"));
      assert.deepEqual({ ...entry }, {
        key: key("nothing"),
        value,
        versionstamp,
      });
    }
  },

  async aValueOfExactlyTheLimitIsStored({ kv, key }) {
    const full = new Uint8Array(65_536).map((_, index) => index % 251);
    await kv.set(key("bytes"), full);
    await assertValue(kv, key("bytes"), full);
    // Six bytes of header, tag and length come before the text itself.
    const text = "t".repeat(65_530);
    await kv.set(key("text"), text);
    await assertValue(kv, key("text"), text);
  },

  async whatCannotBeClonedIsRefusedByTheClient({ kv, key }) {
    const { versionstamp } = await kv.set(key("kept"), "before");
    const impossible = [
      () => 1,
      class {},
      Symbol("s"),
      Object(Symbol("s")),
      Promise.resolve(1),
      new WeakMap(),
      new WeakSet(),
      new SharedArrayBuffer(8),
      new Proxy({}, {}),
      { nested: () => 1 },
      [Symbol("s")],
      new Map([[1, () => 1]]),
    ];
    for (const value of impossible) {
      await assertFails(() => kv.set(key("new"), value), /could not be cloned/);
      await assertFails(
        () => kv.set(key("kept"), value),
        /could not be cloned/,
      );
      await assertFails(
        () => kv.atomic().set(key("beside"), 1).set(key("new"), value).commit(),
        /could not be cloned/,
      );
    }
    await assertAbsent(kv, key("new"));
    await assertAbsent(kv, key("beside"));
    assert.equal(await assertValue(kv, key("kept"), "before"), versionstamp);
  },
};
