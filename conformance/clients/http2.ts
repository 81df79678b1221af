// Node's own HTTP/2 client against a server.
//
//   http2.ts       (KV_URL and DENO_KV_ACCESS_TOKEN are set)
//
// At the line `@stop` the driver tells the server to stop and answers with the line
// `stopping` at once, while a write is on its way: its key is `in flight`, as bytes,
// and its value as many bytes. The last line is `ok`.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type ClientSessionOptions, constants } from "node:http2";
import process from "node:process";
import { ask } from "./driver.ts";
import { replyTo, Session, statesOf } from "./http2_session.ts";
import { within } from "./suite/waiting.ts";
import { readOf, setOf, versionstampOf } from "./wire.ts";

const patienceMs = 20_000;
const bytes = (text: string) => Buffer.from(text);
/** Bytes of all values, so many that they take several frames. */
const long = Buffer.from(Array.from({ length: 60_000 }, (_, n) => n * 7 % 256));

function assertSame(found: Uint8Array | undefined, expected: Uint8Array): void {
  assert.ok(found !== undefined, "nothing is there");
  assert.ok(
    Buffer.compare(found, expected) === 0,
    `${found.length} bytes, which are not the ${expected.length} expected`,
  );
}

const cases: Record<string, (session: Session) => Promise<void>> = {
  async readsAndWrites(session) {
    const first = await session.set(bytes("a"), bytes("1"));
    assert.equal(first.length, 10);
    assertSame(await session.get(bytes("a")), bytes("1"));
    const second = await session.set(bytes("a"), long);
    assert.ok(Buffer.compare(first, second) < 0);
    assertSame(await session.get(bytes("a")), long);
    assert.equal(await session.get(bytes("absent")), undefined);
  },

  async aWatch(session) {
    await session.set(bytes("watched"), bytes("first"));
    const stream = session.watch(bytes("watched"));
    const states = statesOf(stream);
    const next = async () =>
      (await within(states.next(), "the watch")).value ?? undefined;
    assertSame(await next(), bytes("first"));
    for (const value of [bytes("second"), long, bytes("")]) {
      await session.set(bytes("watched"), value);
      assertSame(await next(), value);
    }
    const closed = once(stream, "close");
    stream.close(constants.NGHTTP2_CANCEL);
    await within(closed, "the end of the watch");
    assertSame(await session.get(bytes("watched")), bytes(""));
  },

  async manyRequestsAtOnce(session) {
    const keys = Array.from({ length: 50 }, (_, n) => bytes(`many ${n}`));
    await Promise.all(keys.map((key) => session.set(key, key)));
    const found = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => session.get(keys[n % 50]!)),
    );
    for (const [n, value] of found.entries()) {
      assertSame(value, keys[n % 50]!);
    }
  },

  // Before anything was sent, amid the body, before the reply, and amid it.
  async cancelledStreams(session) {
    await session.set(bytes("a"), long);
    const ends: Promise<unknown>[] = [];
    for (let n = 0; n < 200; n++) {
      const stream = session.begin("snapshot_read");
      // A stream that is closed by its own side is no error for Node; one that the
      // server closes otherwise is one, and fails the program.
      ends.push(once(stream, "close"));
      const body = readOf(bytes("a"));
      if (n % 4 === 1) stream.write(body.subarray(0, 3));
      if (n % 4 >= 2) stream.end(body);
      if (n % 4 === 3) {
        stream.once("data", () => stream.close(constants.NGHTTP2_CANCEL));
      } else stream.close(constants.NGHTTP2_CANCEL);
      if (n % 10 === 0) {
        assert.equal((await session.get(bytes("a")))?.length, long.length);
      }
    }
    await within(Promise.all(ends), "the ends of all streams", patienceMs);
    assert.equal((await session.get(bytes("a")))?.length, long.length);
  },

  async aBodyInSmallPieces(session) {
    const body = setOf(bytes("pieces"), long);
    const stream = session.begin("atomic_write");
    for (let at = 0, length = 1; at < body.length; length = length % 97 + 1) {
      const piece = body.subarray(at, at += length);
      await new Promise((resolve) => stream.write(piece, resolve));
    }
    stream.end();
    const reply = await replyTo(stream);
    assert.equal(reply.status, 200);
    versionstampOf(reply.body);
    assertSame(await session.get(bytes("pieces")), long);
  },

  async aBodyWithALength(session) {
    const body = setOf(bytes("sized"), long);
    const stream = session.begin("atomic_write", {
      "content-length": body.length,
    });
    stream.end(body);
    assert.equal((await replyTo(stream)).status, 200);
    assertSame(await session.get(bytes("sized")), long);
  },

  async refusals(session) {
    const read = readOf(bytes("a"));
    for (
      const { status, method, headers, body } of [
        { status: 401, headers: { "authorization": "Bearer wrong" } },
        { status: 404, method: "no_such_method" },
        { status: 405, headers: { ":method": "PUT" } },
        { status: 400, body: bytes("no message") },
        { status: 413, body: Buffer.alloc(65_537) },
      ]
    ) {
      const stream = session.begin(method ?? "snapshot_read", headers);
      stream.end(body ?? read);
      assert.equal((await replyTo(stream)).status, status);
    }
    assert.equal(await session.get(bytes("absent")), undefined);
  },

  async pings(session) {
    await session.ping();
    await Promise.all([
      session.ping(),
      session.get(bytes("a")),
      session.ping(),
    ]);
  },
};

const sessions: Record<string, ClientSessionOptions> = {
  "as they are": {},
  "all frames padded": { paddingStrategy: constants.PADDING_STRATEGY_MAX },
  "small windows": { settings: { initialWindowSize: 500, headerTableSize: 0 } },
};

/** What was begun is answered by a server that stops, and watches end in order. */
async function stopInFlight(): Promise<void> {
  const session = await Session.open();
  await session.set(bytes("watched"), bytes("to the end"));
  const states = statesOf(session.watch(bytes("watched")));
  assertSame((await states.next()).value ?? undefined, bytes("to the end"));
  const write = session.begin("atomic_write");
  const body = setOf(bytes("in flight"), long);
  write.write(body.subarray(0, 100));
  await session.ping(); // so that the server has what was sent before
  const closed = once(session.client, "close");
  const goaway = once(session.client, "goaway");

  await ask("@stop", "stopping");

  const [code, lastStream] = await within(goaway, "a GOAWAY", patienceMs);
  assert.equal(code, constants.NGHTTP2_NO_ERROR);
  assert.ok(lastStream >= (write.id as number));
  const { done } = await within(states.next(), "the end of the watch");
  assert.equal(done, true);
  write.end(body.subarray(100));
  const reply = await replyTo(write);
  assert.equal(reply.status, 200);
  versionstampOf(reply.body);
  await within(closed, "the end of the session", patienceMs);
}

for (const [kind, options] of Object.entries(sessions)) {
  for (const [name, run] of Object.entries(cases)) {
    console.log(`${kind}: ${name}`);
    const session = await Session.open(options);
    await run(session);
    await session.close();
  }
}
await stopInFlight();
console.log("ok");
process.exit(0);
