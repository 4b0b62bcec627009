/** Text of others, to be read by people: on one line, and in the order in which it was written. */
import { escapeControls } from "../../log/log.ts";

/** What turns the direction of text, and what is not seen. */
const UNSEEN = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;

export const plainText = (text: string): string =>
  escapeControls(text).replace(UNSEEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** The lines of a message: a summary may have several, an alert's is one, whatever it holds. */
export const messageLines = (alert: { message: string; summary?: true }): string[] =>
  (alert.summary ? alert.message.split("\n") : [alert.message]).map(plainText);

/** At most so many characters, none of them in halves. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const characters = Array.from(text.slice(0, 2 * most));
  return characters.length <= most ? text : `${characters.slice(0, most).join("")}…`;
}
