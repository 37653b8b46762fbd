export const FIELDS: Readonly<Record<string, string>> = {};
