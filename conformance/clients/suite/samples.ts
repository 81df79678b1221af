// Keys and values of every kind, for whoever wants to see them come back.

/** Parts of every kind in the specified order: bytes, text, bigints, numbers, booleans. */
export const orderedParts: Deno.KvKeyPart[] = [
  // Bytes, compared one by one; a NUL is below every other byte and above the end.
  new Uint8Array([]),
  new Uint8Array([0]),
  new Uint8Array([0, 0]),
  new Uint8Array([0, 255, 0, 1]),
  new Uint8Array([1]),
  new Uint8Array([1, 0]),
  new Uint8Array([127]),
  new Uint8Array([128]),
  new Uint8Array([255]),
  new Uint8Array([255, 255]),
  // Text, compared as UTF-8: U+FFFF is below an emoji, in UTF-16 it would be above.
  "",
  "\u0000",
  "\u0000\u0000",
  "\u0000a",
  "0",
  "A",
  "a",
  "a\u0000",
  "a\u0000b",
  "a\u0001",
  "aa",
  "b",
  "\u007f",
  "é",
  "中",
  "\uffff",
  "😀",
  "😀😀",
  // Bigints, by value, up to 255 bytes long.
  1n - 2n ** 2040n,
  -(2n ** 200n),
  -(2n ** 64n),
  1n - 2n ** 64n,
  -(2n ** 63n),
  -65536n,
  -65535n,
  -256n,
  -255n,
  -1n,
  0n,
  1n,
  255n,
  256n,
  65535n,
  65536n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n,
  2n ** 200n,
  2n ** 2040n - 1n,
  // Numbers, by value, and NaN at their end.
  -Infinity,
  -Number.MAX_VALUE,
  Number.MIN_SAFE_INTEGER,
  -2,
  -1.5,
  -1,
  -Number.MIN_VALUE,
  0,
  Number.MIN_VALUE,
  0.5,
  1,
  1.5,
  2,
  Math.PI,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_VALUE,
  Infinity,
  NaN,
  false,
  true,
];

function bytes(...content: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(content);
}

/** An error with a stack that is the same wherever it is made. */
function fixed<E extends Error>(error: E): E {
  error.stack = `${error.name}: ${error.message}\n    at somewhere.ts:1:2`;
  return error;
}

function errors(): Error[] {
  const classes = [
    Error,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
  ];
  const innermost = fixed(new SyntaxError("innermost", { cause: "a text" }));
  const inner = fixed(new TypeError("inner", { cause: innermost }));
  return [
    ...classes.map((ErrorClass) => fixed(new ErrorClass("boom 😀"))),
    fixed(new Error("")),
    fixed(new Error("nothing", { cause: undefined })),
    fixed(new Error("nothing", { cause: null })),
    fixed(new RangeError("outer", { cause: inner })),
    fixed(new URIError("values", { cause: { at: new Date(0), of: [1n, -0] } })),
  ];
}

function sharedReferencesAndCycles(): unknown[] {
  const loop: Record<string, unknown> = { name: "loop", list: [] };
  loop.self = loop;
  (loop.list as unknown[]).push(loop, loop.list);
  const map = new Map<unknown, unknown>();
  map.set(map, map).set("set", new Set([map]));
  const set = new Set<unknown>();
  set.add(set).add([set]);
  const shared = { n: 1 };
  const date = new Date(1);
  const view = bytes(1, 2);
  const boxed = Object("s");
  const error = fixed(new Error("shared", { cause: shared }));
  return [
    loop,
    map,
    set,
    // The third is equal to the first two, and another object.
    [shared, shared, { n: 1 }, { again: shared }],
    [date, date, new Date(1), view, view, bytes(1, 2), boxed, boxed],
    [error, error, error.cause, shared, /a/, /a/],
  ];
}

/** Values of every kind that can be stored and compared, by kind. */
export function sampleValues(
  KvU64: typeof Deno.KvU64,
): Record<string, unknown[]> {
  return {
    strings: [
      "",
      "hello",
      "é",
      "中文",
      "😀",
      "a\u0000b",
      "\ud800",
      "\udc00",
      "\udc00\ud800",
      "é\ud83d",
      "\ufeff",
      "x".repeat(60_000),
      "中".repeat(30_000),
    ],

    numbers: [
      0,
      -0,
      1,
      -1,
      42,
      0.1,
      -2147483648,
      2147483647,
      1073741823,
      1073741824,
      4294967296,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      Number.MAX_VALUE,
      Number.MIN_VALUE,
      Infinity,
      -Infinity,
      NaN,
    ],

    bigints: [
      0n,
      1n,
      -1n,
      2n ** 63n,
      -(2n ** 63n),
      2n ** 64n - 1n,
      -(2n ** 64n),
      2n ** 100n,
      123456789012345678901234567890n,
      -(3n ** 20_000n),
    ],

    theRestOfThePrimitives: [true, false, null, undefined],

    u64s: [
      new KvU64(0n),
      new KvU64(1n),
      new KvU64(2n ** 32n),
      new KvU64(2n ** 63n),
      new KvU64(2n ** 64n - 1n),
    ],

    bytes: [
      bytes(),
      bytes(0),
      bytes(0, 255, 0, 1),
      new Uint8Array(8),
      Uint8Array.from({ length: 256 }, (_, index) => index),
      new Uint8Array(65_536).fill(7),
    ],

    buffersAndTypedArrays: [
      new ArrayBuffer(0),
      bytes(1, 2, 3).buffer,
      new DataView(bytes(1, 2, 3).buffer, 1),
      new Uint8ClampedArray([7, 300]),
      new Int8Array([-1, 1]),
      new Uint16Array([1, 65_535]),
      new Int16Array([-1, 1]),
      new Uint32Array([4294967295]),
      new Int32Array([-1, 1]),
      new Float32Array([1.5, -0]),
      new Float64Array([Math.PI, NaN, -0, -Infinity]),
      new BigUint64Array([1n, 2n ** 64n - 1n]),
      new BigInt64Array([-1n]),
    ],

    dates: [
      new Date(0),
      new Date(1700000000123),
      new Date(-1),
      new Date(8.64e15),
      new Date(NaN),
    ],

    regularExpressions: [
      /a+b/gi,
      /\u4e2d/u,
      new RegExp(""),
      new RegExp("中|😀", "dgimsuy"),
    ],

    boxedPrimitives: [
      Object(true),
      Object(false),
      Object(1.5),
      Object(-0),
      Object(NaN),
      Object(""),
      Object("s"),
      Object("中\ud800"),
      Object(1n),
      Object(-(2n ** 70n)),
    ],

    arrays: [
      [],
      [1, 2, 3],
      ["a", null, undefined, true],
      // deno-lint-ignore no-sparse-arrays
      [1, , 3],
      new Array(5),
      [[[[]]]],
      [-0, NaN, 2n ** 64n, new Date(NaN)],
      Object.assign([1, 2], { named: "too" }),
      // deno-lint-ignore no-sparse-arrays
      Object.assign([, "hole before", ,], { "-1": 1, "01": 2, "é": [,] }),
      Object.assign([], { 100_000: "far away" }),
      Array.from({ length: 5_000 }, (_, index) => index),
    ],

    objects: [
      {},
      { a: 1, b: 2 },
      { "1": "one", "x y": 2, "": 3, "é": 4, "😀": 5, __proto__key: 6 },
      { undefined: undefined, null: null },
      Object.fromEntries([["\ud800", "\udc00"], ["\udc00", -0]]),
      { z: 1, 2: 1, a: 1, 1: 1, "-1": 1, 4294967295: 1 },
      { deep: { deeper: { deepest: [{ here: new Date(1) }] } } },
    ],

    mapsAndSets: [
      new Map(),
      new Set(),
      new Map<unknown, unknown>([["a", 1], [{ k: 1 }, new Set([1, "2"])], [
        NaN,
        null,
      ]]),
      new Set<unknown>([1, "1", 1n, null, undefined, new Map([[1, 2]])]),
    ],

    errors: errors(),
    sharedReferencesAndCycles: sharedReferencesAndCycles(),

    everythingNested: [{
      name: "Ada",
      age: 36,
      tags: ["x", "y"],
      born: new Date(1e12),
      big: 123456789012345678901234567890n,
      bytes: bytes(9, 8),
      view: new Float32Array([0.5]),
      pattern: /x/y,
      map: new Map([[1, { z: null }]]),
      set: new Set([[1], [2]]),
      absent: undefined,
    }],
  };
}

/** Kinds of values that only Deno stores as they are: see features.wholeClone. */
export const denoSamples: Record<string, () => unknown[]> = {
  float16s: () => [
    new Float16Array(),
    new Float16Array([1.5, -0, NaN, Infinity, 65504]),
    { within: new Float16Array([0.1]) },
  ],

  viewsOfBuffers: () => {
    const buffer = Uint8Array.from({ length: 32 }, (_, n) => n).buffer;
    return [
      new Uint8Array(buffer, 3, 5),
      new Uint8ClampedArray(buffer, 3, 5),
      new Uint16Array(buffer, 4, 3),
      new Float64Array(buffer, 8, 2),
      new BigInt64Array(buffer, 16),
      new DataView(buffer, 3, 5),
      new DataView(buffer, 32),
      { within: new Uint8Array(buffer, 3, 5) },
      [new Uint8Array(buffer, 2, 4), new Int32Array(buffer, 4, 2)],
      [buffer, new DataView(buffer, 1), buffer, new Int8Array(buffer.slice(0))],
    ];
  },

  resizableBuffers: () => {
    const resizable = () => {
      const buffer = new ArrayBuffer(8, { maxByteLength: 16 });
      new Uint8Array(buffer).fill(9);
      return buffer;
    };
    const shared = resizable();
    return [
      new ArrayBuffer(0, { maxByteLength: 0 }),
      new ArrayBuffer(0, { maxByteLength: 1 }),
      resizable(),
      // These grow along with their buffers, and the two after them do not.
      new Uint16Array(resizable()),
      new DataView(resizable(), 3),
      new Uint16Array(resizable(), 2, 1),
      new DataView(resizable(), 3, 1),
      [shared, new Uint8Array(shared, 2), new Int32Array(shared, 4, 1)],
    ];
  },

  errorsThatCauseThemselves: () => {
    const error = fixed(new Error("why?"));
    error.cause = error;
    return [error, [error, new Map([[error, error]])]];
  },
};
