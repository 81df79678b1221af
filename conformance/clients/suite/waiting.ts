// Waiting without guessing how long: every wait has a condition and a deadline.
const deadlineMs = 5_000;

/** The outcome of the promise, or an error once the deadline has passed. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  ms = deadlineMs,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: nothing within ${ms} ms`)),
      ms,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves once the clock shows this time: for what only the clock brings about. */
export async function clockShows(timeMs: number): Promise<void> {
  // A timer may fire a little early, hence the loop.
  for (let left = timeMs - Date.now(); left > 0; left = timeMs - Date.now()) {
    await new Promise((resolve) => setTimeout(resolve, left));
  }
}

/** Gives other work a turn between two polls. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

/** When a key expires, as closely as a client can tell: it adds its clock itself. */
export interface ExpiryTime {
  notBefore: number;
  notAfter: number;
}

/** Writes a key that expires after so many ms, and tells when that will be. */
export async function expiring(
  expireIn: number,
  write: () => Promise<unknown>,
): Promise<ExpiryTime> {
  const notBefore = Date.now() + expireIn;
  await write();
  return { notBefore, notAfter: Date.now() + expireIn };
}
