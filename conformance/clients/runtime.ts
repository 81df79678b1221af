// Everything that differs between Deno and Node with @deno/kv, in one place, so that
// the suites and programs themselves run unchanged in both.
//
// The types of Deno are the common language: @deno/kv implements the same interface,
// except for what `features` lists.
import process from "node:process";

export type RuntimeName = "deno" | "node";

export const runtime: RuntimeName = "Deno" in globalThis ? "deno" : "node";

interface Client {
  openKv(url: string, accessToken: string): Promise<Deno.Kv>;
  KvU64: typeof Deno.KvU64;
  hasCommitVersionstamp: boolean;
}

function denoClient(): Client {
  return {
    // Deno takes its token from the environment and from nowhere else. It reads it
    // before openKv returns its promise, so the change is seen by this call only.
    openKv(url, accessToken) {
      const before = process.env.DENO_KV_ACCESS_TOKEN;
      if (accessToken === before) return Deno.openKv(url);
      process.env.DENO_KV_ACCESS_TOKEN = accessToken;
      try {
        return Deno.openKv(url);
      } finally {
        if (before === undefined) delete process.env.DENO_KV_ACCESS_TOKEN;
        else process.env.DENO_KV_ACCESS_TOKEN = before;
      }
    },
    KvU64: Deno.KvU64,
    hasCommitVersionstamp: "commitVersionstamp" in Deno.Kv.prototype,
  };
}

async function nodeClient(): Promise<Client> {
  const client = await import("@deno/kv");
  // No class is exported to look at, so an instance without a database tells.
  const instance = await client.openKv("", { implementation: "in-memory" });
  const hasCommitVersionstamp = "commitVersionstamp" in instance;
  instance.close();
  return {
    openKv: async (url, accessToken) =>
      await client.openKv(url, { accessToken }) as unknown as Deno.Kv,
    KvU64: client.KvU64 as unknown as typeof Deno.KvU64,
    hasCommitVersionstamp,
  };
}

const client = runtime === "deno" ? denoClient() : await nodeClient();

export const KvU64 = client.KvU64;

/** What one of the clients cannot do, and why, so that a case can ask for it. */
export const features = {
  commitVersionstamp: {
    present: client.hasCommitVersionstamp,
    otherwise: "this client has no kv.commitVersionstamp()",
  },
  wholeClone: {
    present: runtime === "deno",
    otherwise:
      "@deno/kv stores a view without its buffer; Node 20 knows no Float16Array",
  },
  negativeZeroKeys: {
    present: runtime === "deno",
    otherwise: "@deno/kv encodes -0 in a key as 0",
  },
  exactReversePrefix: {
    present: runtime === "deno",
    otherwise: "@deno/kv yields the prefix itself at the end of a reverse list",
  },
  zeroExpireIn: {
    present: runtime === "deno",
    otherwise: "@deno/kv refuses expireIn: 0",
  },
  watchOfNoKeys: {
    present: runtime === "deno",
    otherwise: "@deno/kv refuses to watch no keys",
  },
  closeEndsWatch: {
    present: runtime === "deno",
    otherwise: "a read of a watch stays pending after kv.close() in @deno/kv",
  },
};

export type Feature = keyof typeof features;

/** The value of an environment variable that the program cannot do without. */
export function requireEnv(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`set ${name}`);
  return value;
}

/** Opens the server under test, with its own token unless another is given. */
export function openKv(
  accessToken: string = requireEnv("DENO_KV_ACCESS_TOKEN"),
): Promise<Deno.Kv> {
  return openKvAt(requireEnv("KV_URL"), accessToken);
}

/** Opens a database by its URL, or by whatever else the client takes for one. */
export function openKvAt(url: string, accessToken: string): Promise<Deno.Kv> {
  return client.openKv(url, accessToken);
}
