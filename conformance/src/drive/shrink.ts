/** Makes failed programs smaller. */

const MOST_TRIES = 40;
const MOST_MS = 10_000;

/**
 * Search for the smallest program that breaks the same rule.
 * @param smaller smaller variants of a program, the smallest first.
 * @param breaks runs a program. @returns whether it breaks the rule.
 * @param isOver whether to end the search early.
 */
export async function smallest(
  failed: unknown,
  smaller: (program: never) => Iterable<unknown>,
  breaks: (program: unknown) => Promise<boolean>,
  isOver: () => boolean,
): Promise<{ readonly program: unknown; readonly tries: number }> {
  const deadline = performance.now() + MOST_MS;
  let [program, tries] = [failed, 0];
  const next = async (): Promise<{ readonly program: unknown } | null> => {
    for (const candidate of smaller(program as never)) {
      if (tries >= MOST_TRIES || performance.now() > deadline || isOver()) return null;
      tries++;
      if (await breaks(candidate)) return { program: candidate };
    }
    return null;
  };
  for (let found = await next(); found !== null; found = await next()) program = found.program;
  return { program, tries };
}
