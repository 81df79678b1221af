// Every case of every topic, by name.
import type { Feature } from "../runtime.ts";
import type { Cases, Run } from "./case.ts";
import { atomic } from "./atomic.ts";
import { concurrency } from "./concurrency.ts";
import { counters } from "./counters.ts";
import { crud } from "./crud.ts";
import { errors } from "./errors.ts";
import { expiry } from "./expiry.ts";
import { expiryWatch } from "./expiry_watch.ts";
import { keys } from "./keys.ts";
import { limits } from "./limits.ts";
import { list } from "./list.ts";
import { mutations } from "./mutations.ts";
import { paging } from "./paging.ts";
import { sums } from "./sums.ts";
import { values } from "./values.ts";
import { versionstamps } from "./versionstamps.ts";
import { watch } from "./watch.ts";
import { watchStreams } from "./watch_streams.ts";

const topics: Record<string, Cases> = {
  keys,
  values,
  crud,
  list,
  paging,
  atomic,
  mutations,
  counters,
  sums,
  versionstamps,
  expiry,
  expiryWatch,
  watch,
  watchStreams,
  limits,
  errors,
  concurrency,
};

export interface NamedCase {
  run: Run;
  requires?: Feature;
}

export const allCases = new Map<string, NamedCase>(
  Object.entries(topics).flatMap(([topic, cases]) =>
    Object.entries(cases).map(([name, item]) =>
      [
        `${topic}/${name}`,
        typeof item === "function" ? { run: item } : item,
      ] as const
    )
  ),
);
