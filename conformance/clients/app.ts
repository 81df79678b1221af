// A small real application: users with an index by e-mail, page views, an audit log,
// sessions, and a page that follows its data. For Deno.
//
//   app.ts first     on an empty database
//   app.ts second    later, usually after a restart of the server in between
//
// The second run finds what the first one left and goes on from there. Each prints a
// transcript that is the same every time: transcripts/app_first.txt and app_second.txt.
import assert from "node:assert/strict";
import { requireEnv } from "./runtime.ts";
import { clockShows } from "./suite/waiting.ts";

interface User {
  id: string;
  name: string;
  email: string;
  joined: Date;
}

// Long enough for a slow machine to see a session before it ends.
const sessionMs = 2_000;

class App {
  constructor(private readonly kv: Deno.Kv) {}

  /** Creates the user and the index entry together, or neither if one is taken. */
  async signUp(id: string, name: string, email: string): Promise<boolean> {
    const user: User = { id, name, email, joined: new Date(0) };
    const result = await this.kv.atomic()
      .check({ key: ["users", id], versionstamp: null })
      .check({ key: ["users_by_email", email], versionstamp: null })
      .set(["users", id], user)
      .set(["users_by_email", email], id)
      .set(this.#nextAuditKey(), `${id} signed up`)
      .commit();
    return result.ok;
  }

  /** Moves the index entry along with the address, again if somebody was faster. */
  async changeEmail(id: string, email: string): Promise<boolean> {
    while (true) {
      const user = await this.kv.get<User>(["users", id]);
      const taken = await this.kv.get(["users_by_email", email]);
      if (user.value === null || taken.value !== null) return false;
      const result = await this.kv.atomic()
        .check(user, taken)
        .set(["users", id], { ...user.value, email })
        .delete(["users_by_email", user.value.email])
        .set(["users_by_email", email], id)
        .set(this.#nextAuditKey(), `${id} is now at ${email}`)
        .commit();
      if (result.ok) return true;
    }
  }

  async findByEmail(email: string): Promise<User | null> {
    const { value: id } = await this.kv.get<string>(["users_by_email", email]);
    return id === null ? null : (await this.kv.get<User>(["users", id])).value;
  }

  async users(): Promise<User[]> {
    return (await Array.fromAsync(this.kv.list<User>({ prefix: ["users"] })))
      .map((entry) => entry.value);
  }

  async view(page: string): Promise<void> {
    await this.kv.atomic()
      .sum(["views", page], 1n)
      .sum(["views_total"], 1n)
      .max(["longest_page_name"], BigInt(page.length))
      .commit();
  }

  async views(page: string): Promise<bigint> {
    return (await this.kv.get<Deno.KvU64>(["views", page])).value?.value ?? 0n;
  }

  async totalViews(): Promise<bigint> {
    return (await this.kv.get<Deno.KvU64>(["views_total"])).value?.value ?? 0n;
  }

  async publish(page: string, text: string): Promise<void> {
    await this.kv.atomic()
      .set(["pages", page], text)
      .set(this.#nextAuditKey(), `${page} says: ${text}`)
      .commit();
  }

  /** The text of a page and its views, whenever one of them changes. */
  follow(page: string): Page {
    return new Page(this.kv, page);
  }

  async longestPageName(): Promise<bigint> {
    return (await this.kv.get<Deno.KvU64>(["longest_page_name"])).value
      ?.value ?? 0n;
  }

  async audit(): Promise<string[]> {
    const log = await Array.fromAsync(
      this.kv.list<string>({ prefix: ["audit"] }),
    );
    for (const entry of log) {
      assert.equal(
        entry.key.at(-1),
        entry.versionstamp,
        "a log entry under a wrong name",
      );
    }
    return log.map((entry) => entry.value);
  }

  async logIn(id: string, token: string, expireIn: number): Promise<void> {
    await this.kv.set(["sessions", token], id, { expireIn });
  }

  async session(token: string): Promise<string> {
    return (await this.kv.get<string>(["sessions", token])).value ?? "nobody";
  }

  #nextAuditKey(): Deno.KvKey {
    return ["audit", this.kv.commitVersionstamp()];
  }
}

class Page {
  readonly #states: AsyncIterator<
    [Deno.KvEntryMaybe<string>, Deno.KvEntryMaybe<Deno.KvU64>]
  >;

  constructor(kv: Deno.Kv, page: string) {
    this.#states = kv.watch<[string, Deno.KvU64]>([["pages", page], [
      "views",
      page,
    ]])
      [Symbol.asyncIterator]();
  }

  async next(): Promise<string> {
    const { value } = await this.#states.next();
    const [text, views] = value;
    return `"${text.value ?? "(empty)"}", seen ${
      views.value?.value ?? 0n
    } times`;
  }

  async close(): Promise<void> {
    await this.#states.return?.();
  }
}

const say = console.log;

function describe(user: User | null): string {
  return user === null ? "nobody" : `${user.name} <${user.email}>`;
}

async function first(app: App): Promise<void> {
  say("sign-ups");
  say("  ada:", await app.signUp("ada", "Ada Lovelace", "ada@example.com"));
  say("  alan:", await app.signUp("alan", "Alan Turing", "alan@example.com"));
  say("  ada again:", await app.signUp("ada", "Ada Two", "ada2@example.com"));
  say("  same address:", await app.signUp("eve", "Eve", "alan@example.com"));
  const racers = await Promise.all(
    Array.from(
      { length: 8 },
      () => app.signUp("grace", "Grace Hopper", "grace@example.com"),
    ),
  );
  say("  grace, eight times at once:", racers.filter(Boolean).length);

  say("addresses");
  say("  ada moves:", await app.changeEmail("ada", "ada@lovelace.example"));
  say("  to a taken one:", await app.changeEmail("ada", "alan@example.com"));
  say("  old address:", describe(await app.findByEmail("ada@example.com")));
  say(
    "  new address:",
    describe(await app.findByEmail("ada@lovelace.example")),
  );

  say("a page");
  const page = app.follow("home");
  say("  at first:", await page.next());
  await app.publish("home", "Hello");
  say("  published:", await page.next());
  await app.view("home");
  say("  viewed:", await page.next());
  await app.publish("home", "Hello again");
  say("  changed:", await page.next());
  await page.close();
  await Promise.all(Array.from({ length: 49 }, () => app.view("home")));
  await Promise.all(Array.from({ length: 25 }, () => app.view("about us")));
  say("  views of home:", await app.views("home"));

  say("sessions");
  await app.logIn("alan", "short", sessionMs);
  const loggedInAt = Date.now();
  await app.logIn("ada", "long", 3_600_000);
  say("  short:", await app.session("short"));
  say("  long:", await app.session("long"));
  await clockShows(loggedInAt + sessionMs);
  say("  short, later:", await app.session("short"));
  say("  long, later:", await app.session("long"));
  await app.logIn("grace", "overnight", sessionMs);
}

async function second(app: App): Promise<void> {
  say("what is still there");
  say("  views of home:", await app.views("home"));
  say("  by address:", describe(await app.findByEmail("grace@example.com")));
  say("  short session:", await app.session("short"));
  say("  long session:", await app.session("long"));

  say("what has changed since");
  await clockShows(Date.now() + sessionMs);
  say("  overnight session:", await app.session("overnight"));

  say("and on it goes");
  const page = app.follow("home");
  say("  home:", await page.next());
  await app.view("home");
  say("  viewed:", await page.next());
  await app.publish("home", "Back again");
  say("  published:", await page.next());
  await page.close();
  say(
    "  ada once more:",
    await app.signUp("ada", "Ada Two", "ada2@example.com"),
  );
  say(
    "  edsger:",
    await app.signUp("edsger", "Edsger Dijkstra", "edsger@example.com"),
  );
  say("  freed address:", await app.changeEmail("alan", "ada@example.com"));
}

async function report(app: App): Promise<void> {
  say("users");
  for (const user of await app.users()) {
    assert.deepEqual(
      await app.findByEmail(user.email),
      user,
      "the index is off",
    );
    say(" ", describe(user));
  }
  say("total views:", await app.totalViews());
  say("longest page name:", await app.longestPageName());
  say("audit");
  for (const event of await app.audit()) say(" ", event);
}

const runs: Record<string, (app: App) => Promise<void>> = { first, second };
const run = runs[Deno.args[0] ?? ""];
if (run === undefined) throw new Error("say `first` or `second`");
const kv = await Deno.openKv(requireEnv("KV_URL"));
const app = new App(kv);
await run(app);
await report(app);
kv.close();
