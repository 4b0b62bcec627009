/** How a text that somebody else has written is shown in a message: in quotes, and no more of it than its beginning. */

/** Characters. */
const LONGEST = 64;

export const quoted = (text: string): string => JSON.stringify(text.slice(0, LONGEST));
