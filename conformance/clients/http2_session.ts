// A session of Node's own HTTP/2 client with a server, and the calls of the data path
// over it.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  type OutgoingHttpHeaders,
} from "node:http2";
import { requireEnv } from "./runtime.ts";
import { within } from "./suite/waiting.ts";
import {
  readOf,
  setOf,
  valueRead,
  valueWatched,
  versionstampOf,
  watchOf,
} from "./wire.ts";

const patienceMs = 20_000;

export interface Reply {
  status: number;
  body: Uint8Array;
}

/** Reads the reply to a request whole. */
export async function replyTo(stream: ClientHttp2Stream): Promise<Reply> {
  const read = async () => {
    const [headers] = await once(stream, "response");
    const pieces: Uint8Array[] = [];
    for await (const piece of stream) pieces.push(piece);
    return { status: headers[":status"], body: Buffer.concat(pieces) };
  };
  return await within(read(), "a reply", patienceMs);
}

/** The values that a watch of one key shows, until its stream ends. */
export async function* statesOf(
  stream: ClientHttp2Stream,
): AsyncGenerator<Uint8Array | undefined, void> {
  let rest = Buffer.alloc(0);
  for await (const piece of stream) {
    rest = Buffer.concat([rest, piece]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE()) {
      const end = 4 + rest.readUInt32LE();
      // A frame without a message only keeps the stream alive.
      if (end > 4) yield valueWatched(rest.subarray(4, end));
      rest = rest.subarray(end);
    }
  }
  assert.equal(rest.length, 0, "a watch ends within a frame");
}

export class Session {
  #headers: OutgoingHttpHeaders = {};
  #path = "";

  private constructor(readonly client: ClientHttp2Session) {}

  /** Connects and makes the metadata exchange. */
  static async open(options: ClientSessionOptions = {}): Promise<Session> {
    const session = new Session(connect(requireEnv("KV_URL"), options));
    const stream = session.client.request({
      ":method": "POST",
      ":path": "/",
      "authorization": `Bearer ${requireEnv("DENO_KV_ACCESS_TOKEN")}`,
      "content-type": "application/json",
    });
    stream.end('{"supportedVersions":[1,2,3]}');
    const { status, body } = await replyTo(stream);
    assert.equal(status, 200);
    const metadata = JSON.parse(new TextDecoder().decode(body));
    assert.equal(metadata.version, 3);
    session.#path = new URL(metadata.endpoints[0].url).pathname;
    session.#headers = {
      "authorization": `Bearer ${metadata.token}`,
      "content-type": "application/x-protobuf",
      "x-denokv-version": "3",
      "x-denokv-database-id": metadata.databaseId,
    };
    return session;
  }

  /** Begins a call of the data path, whose body is still to be sent. */
  begin(
    method: string,
    headers: OutgoingHttpHeaders = {},
  ): ClientHttp2Stream {
    return this.client.request({
      ":method": "POST",
      ":path": `${this.#path}/${method}`,
      ...this.#headers,
      ...headers,
    });
  }

  /** Makes a call of the data path that must be a success. */
  async #call(method: string, body: Uint8Array): Promise<Uint8Array> {
    const stream = this.begin(method);
    stream.end(body);
    const reply = await replyTo(stream);
    assert.equal(reply.status, 200, new TextDecoder().decode(reply.body));
    return reply.body;
  }

  /** Sets the key, and returns the versionstamp. */
  async set(key: Uint8Array, value: Uint8Array): Promise<Uint8Array> {
    return versionstampOf(await this.#call("atomic_write", setOf(key, value)));
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return valueRead(await this.#call("snapshot_read", readOf(key)));
  }

  /** Opens a watch of one key; its states are read by statesOf. */
  watch(key: Uint8Array): ClientHttp2Stream {
    const stream = this.begin("watch");
    stream.end(watchOf(key));
    return stream;
  }

  /** Sends a ping, and checks that it comes back as it was. */
  async ping(): Promise<void> {
    const sent = Buffer.from("8 bytes!");
    const answered = new Promise<Uint8Array>((resolve, reject) => {
      this.client.ping(
        sent,
        (error, _, payload) => error ? reject(error) : resolve(payload),
      );
    });
    assert.deepEqual(
      Buffer.from(await within(answered, "the answer to a ping")),
      sent,
    );
  }

  /** Ends the session once all streams have ended, which they must soon. */
  async close(): Promise<void> {
    const closed = once(this.client, "close");
    this.client.close();
    await within(closed, "the end of the session");
  }
}
