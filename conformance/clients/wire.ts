// The messages of the data path for programs that speak it themselves, as far as they
// need them: protobuf with fields that are bytes or small whole numbers.

import { Buffer } from "node:buffer";

/** What a field may hold: bytes, or a number of at most 53 bits. */
export type Content = Uint8Array | number;

const wireVarint = 0;
const wireBytes = 2;

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 0x80)) {
    bytes.push(value % 0x80 + 0x80);
  }
  return [...bytes, value];
}

/** The message that has these fields, in their order. */
export function message(...fields: [number: number, Content][]): Uint8Array {
  return Buffer.concat(
    fields.flatMap(([number, content]) =>
      typeof content === "number"
        ? [
          Uint8Array.from([
            ...varint(number * 8 + wireVarint),
            ...varint(content),
          ]),
        ]
        : [
          Uint8Array.from([
            ...varint(number * 8 + wireBytes),
            ...varint(content.length),
          ]),
          content,
        ]
    ),
  );
}

/** All that a message has under the number of a field. */
export function field(bytes: Uint8Array, wanted: number): Content[] {
  const found: Content[] = [];
  let at = 0;
  const readVarint = () => {
    let value = 0;
    for (let scale = 1;; scale *= 0x80) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error("a message ends in a field");
      value += (byte % 0x80) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = readVarint();
    let content: Content = readVarint();
    if (tag % 8 === wireBytes) {
      if (at + content > bytes.length) {
        throw new Error("a message ends in a field");
      }
      content = bytes.subarray(at, at += content);
    } else if (tag % 8 !== wireVarint) {
      throw new Error(`field ${Math.floor(tag / 8)} is of another kind`);
    }
    if (Math.floor(tag / 8) === wanted) found.push(content);
  }
  return found;
}

/** The bytes that a message has under the number of a field, which must be there. */
export function bytesOf(message: Uint8Array, number: number): Uint8Array {
  const [content] = field(message, number);
  if (!(content instanceof Uint8Array)) throw new Error(`no field ${number}`);
  return content;
}

const valueIsBytes = 3;
const mutationSets = 1;
const succeeded = 1;

/** The body of an atomic write that sets the key. */
export function setOf(key: Uint8Array, data: Uint8Array): Uint8Array {
  const value = message([1, data], [2, valueIsBytes]);
  return message([2, message([1, key], [2, value], [3, mutationSets])]);
}

/** The versionstamp of an atomic write that succeeded. */
export function versionstampOf(output: Uint8Array): Uint8Array {
  if (field(output, 1)[0] !== succeeded) {
    throw new Error("the write was not done");
  }
  return bytesOf(output, 2);
}

/** The body of a snapshot read of one key. */
export function readOf(key: Uint8Array): Uint8Array {
  const end = Buffer.concat([key, Uint8Array.of(0)]);
  return message([1, message([1, key], [2, end], [3, 1])]);
}

/** The value that a snapshot read of one key found, if any. */
export function valueRead(output: Uint8Array): Uint8Array | undefined {
  if (field(output, 8)[0] !== succeeded) throw new Error("the read failed");
  const [entry] = field(bytesOf(output, 1), 1);
  return entry instanceof Uint8Array ? valueOf(entry) : undefined;
}

/** The body of a watch of one key. */
export function watchOf(key: Uint8Array): Uint8Array {
  return message([1, message([1, key])]);
}

/** The value that the state of a watch of one key has, if any. */
export function valueWatched(output: Uint8Array): Uint8Array | undefined {
  if (field(output, 1)[0] !== succeeded) throw new Error("the watch failed");
  const [entry] = field(bytesOf(output, 2), 2);
  return entry instanceof Uint8Array ? valueOf(entry) : undefined;
}

function valueOf(entry: Uint8Array): Uint8Array {
  const [value] = field(entry, 2);
  return value instanceof Uint8Array ? value : new Uint8Array();
}
