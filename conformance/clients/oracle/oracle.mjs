// The oracle: a KV Connect server over the native addon of @deno/kv, which holds the
// SQLite engine that Deno itself uses. It is there to compare answers with, not to be
// shipped: what it and a server under test say to the same request may differ only
// for a reason that can be named.
//
//   PORT=0 DENO_KV_ACCESS_TOKEN=testtoken1234 deno run -A oracle/oracle.mjs
//
// It speaks HTTP/1.1 and HTTP/2 with prior knowledge on one port, and prints
// `listening on http://127.0.0.1:PORT` once it does. "/" is the default database,
// "/db-NAME" another one for each name, which DELETE removes. The environment
// configures it:
//
//   PORT                   the port; 0, the default, takes a free one
//   DENO_KV_ACCESS_TOKEN   the token it accepts
//   DBDIR                  where it keeps its files; without, a folder of its own that
//                          it removes when it is stopped
//   LOG                    set to anything, prints every request
//
// Known faults, which known_differences.json lists case by case: a write that fails
// in the middle keeps its earlier mutations; expired keys can be read until they are
// swept, and no watch is told of it; versionstamped keys and keysIfUndelivered wake no
// watch; ten checks at most; any number of watched keys; 200 streams at once on a
// connection. ../../oracle_faults_test.go lists what programs cannot bring about.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const addons = {
  "linux-x86_64": "linux-x64-gnu",
  "linux-aarch64": "linux-arm64-gnu",
  "darwin-x86_64": "darwin-x64",
  "darwin-aarch64": "darwin-arm64",
};
const platform = addons[`${Deno.build.os}-${Deno.build.arch}`];
const require = createRequire(import.meta.url);
const addonFolder = dirname(
  require.resolve(`@deno/kv-${platform}/package.json`),
);
const native = require(join(addonFolder, `deno-kv-napi.${platform}.node`));

const port = Number(Deno.env.get("PORT") ?? 0);
const token = Deno.env.get("DENO_KV_ACCESS_TOKEN");
if (!token) throw new Error("set DENO_KV_ACCESS_TOKEN");
const ownFolder = !Deno.env.get("DBDIR");
const folder = Deno.env.get("DBDIR") ||
  Deno.makeTempDirSync({ prefix: "kv-oracle-" });
const log = Deno.env.get("LOG");

const databaseId = "00000000-0000-0000-0000-000000000000";
const databases = new Map();

function database(name) {
  if (!databases.has(name)) {
    databases.set(
      name,
      native.open(join(folder, `${name}.sqlite`), null, false),
    );
  }
  return databases.get(name);
}

function remove(name) {
  if (!databases.has(name)) return text(404, "not found");
  native.close(databases.get(name), false);
  databases.delete(name);
  Deno.removeSync(join(folder, `${name}.sqlite`));
  return new Response(null, { status: 204 });
}

function text(status, message) {
  return new Response(message, { status });
}

/** The highest protocol version that both sides know, 0 if there is none. */
function negotiate(body) {
  let supported = [1];
  try {
    supported = JSON.parse(new TextDecoder().decode(body)).supportedVersions ??
      [1];
  } catch { /* a client of version 1 sends no body */ }
  return [3, 2].find((version) => supported.includes(version)) ?? 0;
}

function metadata(base, body) {
  const version = negotiate(body);
  if (version === 0) return text(400, "no protocol version in common");
  return Response.json({
    version,
    databaseId,
    endpoints: [{ url: `${base}/v2`, consistency: "strong" }],
    token,
    expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
  });
}

/** A message of a watch stream: its length, little-endian, and itself. */
function frame(message) {
  const framed = new Uint8Array(4 + message.length);
  new DataView(framed.buffer).setUint32(0, message.length, true);
  framed.set(message, 4);
  return framed;
}

async function watch(db, body) {
  const watcher = await native.startWatch(db, body, false);
  let stopped = false;
  let keepAlive;
  const stop = () => {
    if (stopped) return;
    stopped = true;
    clearInterval(keepAlive);
    native.endWatch(db, watcher, false);
  };
  const stream = new ReadableStream({
    start(controller) {
      const send = (message) => {
        if (!stopped) controller.enqueue(frame(message));
      };
      keepAlive = setInterval(() => send(new Uint8Array()), 5_000);
      // Not awaited: a stream does not flow before start() has returned.
      (async () => {
        while (!stopped) {
          const message = await native.dequeueNextWatchMessage(
            db,
            watcher,
            false,
          );
          if (!message) break;
          send(new Uint8Array(message));
        }
      })().catch((error) => controller.error(error));
    },
    cancel: stop,
  });
  return new Response(stream, {
    headers: { "content-type": "application/octet-stream" },
  });
}

async function dataPath(db, method, body) {
  const call = {
    snapshot_read: native.snapshotRead,
    atomic_write: native.atomicWrite,
  }[method];
  if (!call) return text(404, "not found");
  const output = await call(db, body, false);
  return new Response(new Uint8Array(output), {
    headers: { "content-type": "application/x-protobuf" },
  });
}

async function handle(request) {
  const { pathname } = new URL(request.url);
  const body = new Uint8Array(await request.arrayBuffer());
  if (log) console.error(request.method, pathname, body.length);
  const match = /^(?<base>\/db-(?<name>[\w-]+))?\/?(?:v2\/(?<method>\w+))?$/
    .exec(pathname);
  if (!match) return text(404, "not found");
  if (request.headers.get("authorization") !== `Bearer ${token}`) {
    return text(401, "invalid access token");
  }
  const { base = "", name = "default", method } = match.groups;
  if (request.method === "DELETE") return remove(name);
  if (method === undefined) return metadata(base, body);
  try {
    const db = database(name);
    return await (method === "watch"
      ? watch(db, body)
      : dataPath(db, method, body));
  } catch (error) {
    return text(400, String(error?.message ?? error));
  }
}

function exit() {
  if (ownFolder) Deno.removeSync(folder, { recursive: true });
  Deno.exit(0);
}

Deno.addSignalListener("SIGINT", exit);
Deno.addSignalListener("SIGTERM", exit);
Deno.serve({
  port,
  hostname: "127.0.0.1",
  onListen: (address) =>
    console.log(`listening on http://127.0.0.1:${address.port}`),
}, handle);
