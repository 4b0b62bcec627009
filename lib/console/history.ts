/**
 * The lines typed at the console, kept over sessions in the user's state folder. It is a comfort: what goes wrong with it
 * is told once and disturbs nothing.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";

/** Lines that are kept, and characters of one. */
export const MOST_LINES = 1000;
const LONGEST_LINE = 4096;

/** Functions that are given a key or a password. */
const SECRET = /\b(setKey|setWebserverPassword|webserver|addCustomWebHook|httpRequest)\b/;

/** Whether a line may be remembered: none that holds a secret, and nothing huge. */
export const mayBeKept = (line: string): boolean =>
  line.trim() !== "" && line.length <= LONGEST_LINE && !SECRET.test(line);

/** `trackalert/history` in `XDG_STATE_HOME`, which counts only when it is absolute (XDG Base Directory Specification). */
export function historyFile(): string {
  const state = process.env["XDG_STATE_HOME"] ?? "";
  return join(isAbsolute(state) ? state : join(homedir(), ".local", "state"), "trackalert", "history");
}

export class History {
  private told = false;

  /** @param notice takes a line about what does not work */
  constructor(
    private readonly file: string,
    private readonly notice: (message: string) => void,
  ) {}

  /** The lines, oldest first. */
  read(): string[] {
    try {
      return this.load();
    } catch (error) {
      this.tell("read", error);
      return [];
    }
  }

  /**
   * Adds a line, unless it is the last one already. The file is read anew, so that sessions side by side keep each
   * other's lines, and replaced in one step.
   */
  add(line: string): void {
    if (!mayBeKept(line)) return;
    try {
      const lines = this.load();
      if (lines.at(-1) === line) return;
      const kept = [...lines, line].slice(-MOST_LINES);
      const temporary = `${this.file}.${process.pid}`;
      mkdirSync(dirname(this.file), { recursive: true, mode: 0o700 });
      writeFileSync(temporary, kept.map((each) => `${each}\n`).join(""), { mode: 0o600 });
      renameSync(temporary, this.file);
    } catch (error) {
      this.tell("written", error);
    }
  }

  private load(): string[] {
    try {
      return readFileSync(this.file, "utf8").split("\n").filter(Boolean);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }

  private tell(what: string, error: unknown): void {
    if (this.told) return;
    this.told = true;
    this.notice(`the history cannot be ${what}: ${this.file}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
