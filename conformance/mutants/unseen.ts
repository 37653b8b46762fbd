export const UNSEEN: readonly { readonly what: RegExp; readonly why: string }[] = [];
