// Compares a value that was stored with what came back, down to what equality does not
// see: which objects in it are one and the same, and the buffer below a view.
import assert from "node:assert/strict";
import { features } from "../runtime.ts";

/** Asserts that a value came back as it was stored. */
export function assertSame(actual: unknown, expected: unknown): void {
  new Comparison().compare(actual, expected, "value");
}

class Comparison {
  readonly #actuals = new Map<object, object>();
  readonly #expecteds = new Map<object, object>();

  compare(actual: unknown, expected: unknown, path: string): void {
    if (!isObject(actual) || !isObject(expected)) {
      // Not assert.equal, whose differences take minutes to draw for large values.
      assert.ok(
        Object.is(actual, expected),
        `${path} is ${brief(actual)}, not ${brief(expected)}`,
      );
      return;
    }
    if (this.#actuals.has(expected) || this.#expecteds.has(actual)) {
      assert.ok(
        this.#actuals.get(expected) === actual &&
          this.#expecteds.get(actual) === expected,
        `${path} is not shared with the same places as before`,
      );
      return;
    }
    this.#actuals.set(expected, actual);
    this.#expecteds.set(actual, expected);
    assert.equal(
      Object.getPrototypeOf(actual),
      Object.getPrototypeOf(expected),
      `${path} is of another class`,
    );
    this.#compareContents(actual, expected, path);
    if (!ArrayBuffer.isView(expected)) {
      this.#compareProperties(actual, expected, path);
    }
  }

  #compareContents(actual: object, expected: object, path: string): void {
    if (ArrayBuffer.isView(expected)) {
      this.#compareViews(actual as ArrayBufferView, expected, path);
    } else if (expected instanceof ArrayBuffer) {
      const buffer = actual as ArrayBuffer;
      assert.equal(buffer.resizable, expected.resizable, `${path}.resizable`);
      assert.equal(buffer.maxByteLength, expected.maxByteLength, path);
      compareBytes(new Uint8Array(buffer), new Uint8Array(expected), path);
    } else if (expected instanceof Map) {
      const pairs = [...actual as Map<unknown, unknown>];
      this.compare(pairs, [...expected], `entries of ${path}`);
    } else if (expected instanceof Set) {
      const members = [...actual as Set<unknown>];
      this.compare(members, [...expected], `members of ${path}`);
    } else if (expected instanceof RegExp) {
      assert.equal(String(actual), String(expected), path);
    } else if (
      expected instanceof Date || expected instanceof Boolean ||
      expected instanceof Number || expected instanceof String ||
      expected instanceof BigInt
    ) {
      const primitive = (actual as Date).valueOf();
      this.compare(primitive, expected.valueOf(), `primitive of ${path}`);
    }
  }

  #compareViews(
    actual: ArrayBufferView,
    expected: ArrayBufferView,
    path: string,
  ): void {
    compareBytes(bytesOf(actual), bytesOf(expected), path);
    // A Uint8Array that is the whole value is stored as its bytes alone.
    const alone = expected instanceof Uint8Array && path === "value";
    if (alone || !features.wholeClone.present) return;
    assert.equal(actual.byteOffset, expected.byteOffset, `offset of ${path}`);
    this.compare(actual.buffer, expected.buffer, `buffer of ${path}`);
    // Whether a view grows along with its buffer shows when that grows.
    assert.equal(grown(actual), grown(expected), `growth of ${path}`);
  }

  #compareProperties(actual: object, expected: object, path: string): void {
    const keys = Reflect.ownKeys(expected);
    const found = Reflect.ownKeys(actual);
    if (expected instanceof Error) { // whose order is nobody's business
      keys.sort();
      found.sort();
    }
    if (expected instanceof RegExp) return; // it has a lastIndex only, a new one
    assert.deepEqual(found, keys, `keys of ${path}`);
    for (const key of keys) {
      this.compare(
        Reflect.get(actual, key),
        Reflect.get(expected, key),
        `${path}.${String(key)}`,
      );
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function brief(value: unknown): string {
  const text = typeof value === "bigint" ? `${value}n` : String(value);
  return `${typeof value} ${text.slice(0, 100)}`;
}

/** The length of the view when its buffer has grown, which it then has not. */
function grown(view: ArrayBufferView): number {
  const buffer = view.buffer as ArrayBuffer;
  if (!buffer.resizable) return view.byteLength;
  const { byteLength } = buffer;
  buffer.resize(buffer.maxByteLength);
  const length = view.byteLength;
  buffer.resize(byteLength);
  return length;
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function compareBytes(
  actual: Uint8Array,
  expected: Uint8Array,
  path: string,
): void {
  assert.equal(actual.length, expected.length, `bytes of ${path}`);
  const index = expected.findIndex((byte, index) => byte !== actual[index]);
  assert.equal(index, -1, `byte ${index} of ${path} differs`);
}
