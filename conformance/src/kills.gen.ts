export const KILLS: Readonly<Record<string, readonly string[]>> = {};
