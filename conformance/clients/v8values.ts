// Values as real runtimes store them, for protocol/v8value.
//
//   v8values.ts generate     prints every value below as Deno stores it, as JSON
//   v8values.ts check FILE   reads values that were decoded and encoded again
//
// `check` wants a JSON file as `generate` prints it, with the encoded bytes in
// `encoded`. What is read from them must be stored in the same bytes as what Deno reads
// from those it stored itself, and in Node as a clone of the value of the expression.
// Prints `ok` when it is done.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";

interface Stored {
  js: string;
  stored: string;
  encoded?: string;
}

const withoutStack =
  "((error) => { Object.defineProperty(error, 'stack', { value: undefined }); return error; })";

/** Expressions, and what only Deno knows or its V8 reads. */
const everywhere = [
  // Primitives.
  "undefined",
  "null",
  "true",
  "false",
  "0",
  "-0",
  "1",
  "-1",
  "63",
  "64",
  "-64",
  "-65",
  "1073741823",
  "1073741824",
  "2147483647",
  "2147483648",
  "-2147483648",
  "-2147483649",
  "4294967295",
  "4294967296",
  "0.5",
  "-0.1",
  "NaN",
  "Infinity",
  "-Infinity",
  "Number.MAX_SAFE_INTEGER",
  "Number.MIN_SAFE_INTEGER",
  "Number.MAX_VALUE",
  "Number.MIN_VALUE",
  "0n",
  "1n",
  "-1n",
  "255n",
  "2n ** 63n - 1n",
  "2n ** 63n",
  "-(2n ** 63n)",
  "2n ** 64n - 1n",
  "2n ** 64n",
  "-(2n ** 64n)",
  "2n ** 100n",
  "-(3n ** 2000n)",
  "123456789012345678901234567890n",
  "''",
  "'hello'",
  "'\\u0000'",
  "'\\u007f\\u0080'",
  "'\\u00e9\\u00ff'",
  "'\\u0100'",
  "'\\u4e2d\\u6587'",
  "'\\ud83d\\ude00'",
  "'a\\ud83d\\ude00\\u00e9'",
  "'\\ud800'",
  "'\\udfff'",
  "'\\ude00\\ud83d'",
  "'\\ud83d\\ud83d\\ude00'",
  "'\\ufeff'",
  "'\\uffff'",
  "'x'.repeat(127)",
  "'x'.repeat(128)",
  "'\\u4e2d'.repeat(63)",
  "'\\u4e2d'.repeat(64)",
  "'\\u4e2d'.repeat(8192)",
  // Objects around primitives.
  "Object(true)",
  "Object(false)",
  "Object(1.5)",
  "Object(-0)",
  "Object(NaN)",
  "Object(1n)",
  "Object(-(2n ** 70n))",
  "Object('s')",
  "Object('\\ud800')",
  // Dates and regular expressions.
  "new Date(0)",
  "new Date(1700000000123)",
  "new Date(-1)",
  "new Date(8.64e15)",
  "new Date(-8.64e15)",
  "new Date(NaN)",
  "/a+b/gi",
  "/(?:)/",
  "/\\u4e2d/u",
  "new RegExp('\\u4e2d')",
  "/x/dgimsuy",
  "/[a--b]/v",
  // Objects.
  "({})",
  "({ a: 1, b: 2 })",
  "({ '': 1, 'x y': 2, '\\u00e9': 3, '\\u4e2d': 4, '\\ud800': 5 })",
  "({ 0: 'a', 1: 'b', 2147483647: 'c', 2147483648: 'd', 4294967294: 'e' })",
  "({ 4294967295: 1, 4294967296: 2, '-1': 3, '1.5': 4, '01': 5, '1e3': 6, '-0': 7 })",
  "({ b: 1, 2: 2, a: 3, 1: 4 })",
  "({ ['__proto__']: 1, constructor: 2 })",
  "({ undefined: undefined, null: null, nan: NaN })",
  "Object.fromEntries(Array.from({ length: 100 }, (_, n) => ['key' + n, n]))",
  "({ deep: { deeper: { deepest: [{ here: new Date(1) }] } } })",
  // Arrays.
  "[]",
  "[1, 2, 3]",
  "[1.5, -0, NaN]",
  "[undefined, null, true, 'x', 1n, {}]",
  "[1, , 3]",
  "[, ]",
  "new Array(5)",
  "Object.assign([1, 2], { named: 'too', '-1': 3, 4294967295: 4 })",
  "Object.assign([1, , 3], { named: 'too' })",
  "(() => { const a = []; a[4294967293] = 'far'; return a; })()",
  "(() => { const a = []; a[1000] = 1; a.x = 2; return a; })()",
  "[[[[]]], [[]]]",
  "Array.from({ length: 2000 }, (_, n) => n)",
  // Maps and sets.
  "new Map()",
  "new Map([['a', 1], [{ k: 1 }, new Set([1, '2'])], [NaN, null], [undefined, undefined]])",
  "new Set()",
  "new Set([1, '1', 1n, null, undefined, -0, [], new Map([[1, 2]])])",
  // Buffers and views.
  "new ArrayBuffer(0)",
  "new Uint8Array([1, 2, 3]).buffer",
  "new Int8Array([-1, 1])",
  "[new Uint8Array([1, 2])]",
  "new Uint8ClampedArray([7, 300])",
  "new Int16Array([-1, 1])",
  "new Uint16Array([1, 65535])",
  "new Int32Array([-1, 1])",
  "new Uint32Array([4294967295])",
  "new Float32Array([1.5, -0])",
  "new Float64Array([Math.PI, NaN])",
  "new BigInt64Array([-1n])",
  "new BigUint64Array([1n, 2n ** 64n - 1n])",
  "new DataView(new Uint8Array([1, 2, 3]).buffer)",
  "new DataView(new Uint8Array([1, 2, 3]).buffer, 1, 1)",
  "new Uint16Array(new Uint8Array([1, 2, 3, 4, 5, 6]).buffer, 2, 1)",
  "new Float64Array(0)",
  "(() => { const b = new Uint8Array([1, 2, 3, 4]).buffer; return [new Int8Array(b, 1, 2), new DataView(b, 2), b, new Uint16Array(b)]; })()",
  "new ArrayBuffer(4, { maxByteLength: 16 })",
  "new Uint16Array(new ArrayBuffer(4, { maxByteLength: 16 }))",
  "new Uint16Array(new ArrayBuffer(4, { maxByteLength: 16 }), 2, 1)",
  "new DataView(new ArrayBuffer(4, { maxByteLength: 16 }), 1)",
  "[new Uint8Array(new ArrayBuffer(0, { maxByteLength: 1048576 }))]",
  // Errors.
  ...["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError"].map(
    (name) => `${withoutStack}(new ${name}('boom'))`,
  ),
  `${withoutStack}(new TypeError())`,
  `${withoutStack}(new URIError('\\u4e2d'))`,
  "(() => { const e = new Error('with a stack'); e.stack = 'Error: with a stack\\n    at somewhere'; return e; })()",
  `${withoutStack}(new RangeError('r', { cause: 'c' }))`,
  `${withoutStack}(new Error('u', { cause: undefined }))`,
  `${withoutStack}(new Error('outer', { cause: ${withoutStack}(new TypeError('inner', { cause: { code: 1 } })) }))`,
  "(() => { const e = new Error('all', { cause: [1] }); e.stack = 'stack'; return e; })()",
  // Shared references and cycles.
  "(() => { const o = { name: 'loop' }; o.self = o; return o; })()",
  "(() => { const a = []; a.push(a, [a]); return a; })()",
  "(() => { const m = new Map(); m.set(m, m); return m; })()",
  "(() => { const s = new Set(); s.add(s); return s; })()",
  "(() => { const d = new Date(1), r = /x/, b = Object('s'); return [d, r, b, d, r, b]; })()",
  "(() => { const o = {}; return { a: o, b: o, c: { d: o } }; })()",
  "(() => { const v = new Int8Array([1]); return [v, v, v.buffer]; })()",
  "({ name: 'Ada', age: 36, tags: ['x', 'y'], born: new Date(1e12), big: 123456789012345678901234567890n, bytes: new Uint8Array([9, 8]), m: new Map([[1, { z: null }]]) })",
];
const onlyDeno = [
  "new Float16Array([1.5, -0])",
  `(() => { const e = ${withoutStack}(new Error('loop')); e.cause = e; return e; })()`,
  `(() => { const o = {}; o.e = ${withoutStack}(new Error('loop', { cause: o })); return o; })()`,
  "new DOMException('m', 'AbortError')",
  "[new DOMException('m', 'AbortError'), {}]",
  "crypto.subtle.importKey('raw', new Uint8Array(16), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])",
  "new Blob([], { type: 'text/plain' })",
  "(() => { const b = new Blob([]); return { a: b, b }; })()",
];

const isDeno = "Deno" in globalThis;

function evaluate(js: string): unknown {
  return new Function(`return (${js});`)();
}

function fromHex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, "hex"));
}

/** Deno's own store, with a way to the bytes in its file. */
async function openStore() {
  const { DatabaseSync } = await import("node:sqlite");
  const path = `${await Deno.makeTempDir()}/kv.sqlite`;
  const kv = await Deno.openKv(path);
  const database = new DatabaseSync(path);
  const read = database.prepare("select v from kv");
  const write = database.prepare("update kv set v = ?, v_encoding = 1");
  return {
    async bytesOf(value: unknown): Promise<string> {
      await kv.set(["value"], value);
      return Buffer.from(read.get()?.v as Uint8Array).toString("hex");
    },
    async valueOf(bytes: Uint8Array): Promise<unknown> {
      await kv.set(["value"], null);
      write.run(bytes);
      return (await kv.get(["value"])).value;
    },
    close() {
      database.close();
      kv.close();
    },
  };
}

async function generate(): Promise<void> {
  const store = await openStore();
  const values: Stored[] = [];
  for (const js of [...everywhere, ...onlyDeno]) {
    values.push({ js, stored: await store.bytesOf(await evaluate(js)) });
  }
  store.close();
  const about = `Values as Deno ${Deno.version.deno} stores them. Made by ` +
    "conformance/clients/v8values.ts.";
  console.log(JSON.stringify({ about, values }, null, 1));
}

async function check(path: string): Promise<void> {
  const { values } = JSON.parse(readFileSync(path, "utf8")) as {
    values: Required<Stored>[];
  };
  if (isDeno) {
    const store = await openStore();
    for (const { js, stored, encoded } of values) {
      const [ours, denos] = [
        await store.valueOf(fromHex(encoded)),
        await store.valueOf(fromHex(stored)),
      ];
      assert.equal(await store.bytesOf(ours), await store.bytesOf(denos), js);
    }
    store.close();
    return;
  }
  for (const { js, encoded } of values) {
    if (onlyDeno.includes(js)) continue;
    const value = deserialize(fromHex(encoded));
    const clone = structuredClone(evaluate(js));
    assert.deepEqual(serialize(value), serialize(clone), js);
  }
}

const [command, path] = isDeno ? Deno.args : process.argv.slice(2);
if (command === "generate") {
  await generate();
} else if (command === "check" && path !== undefined) {
  await check(path);
  console.log("ok");
} else {
  throw new Error("say `generate`, or `check` and a path");
}
