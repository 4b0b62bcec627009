/**
 * The console at a terminal: a prompt with line editing, history and completion. Anything may be printed while a line is
 * being typed: it appears above, and the line is drawn again.
 */
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from "node:readline";

import { CONSOLE_COMMANDS } from "../lua/console-commands.ts";
import { toByteString } from "../text/byte-string.ts";
import { ended, type Execute, QUIT, showable } from "./answer.ts";
import { type History, mayBeKept, MOST_LINES } from "./history.ts";

const PROMPT = "> ";

/** How the user left: in good order, or with Ctrl-C while a chunk ran. */
type Leaving = "quit" | "interrupt";

/** What readline lets a program set, as Node's own REPL does, without declaring it. */
type Editor = Interface & { line: string; cursor: number; prevRows: number };

interface PromptOptions {
  execute: Execute;
  history: History;
  /** Ctrl-Z stops the program. */
  suspends: boolean;
}

export class Prompt {
  private readonly output = process.stdout;
  private readonly editor: Editor;
  /** Lines that were typed or pasted while a chunk ran. */
  private readonly waiting: string[] = [];
  private readonly leaving = Promise.withResolvers<Leaving>();
  private running = false;
  private open = true;

  /** Takes standard input and output over, which must be a terminal, until the user leaves or {@link close} is called. */
  constructor(private readonly options: PromptOptions) {
    const { history, suspends } = options;
    const editor = createInterface({
      input: process.stdin,
      output: this.output,
      terminal: true,
      prompt: PROMPT,
      history: history.read().toReversed(),
      historySize: MOST_LINES,
      completer: complete,
    }) as Editor;
    this.editor = editor;
    editor.on("history", (lines) => void (mayBeKept(lines[0] ?? "") || lines.shift()));
    editor.on("line", (line) => void (this.waiting.push(line), this.run()));
    editor.on("SIGINT", () => this.interrupt());
    if (!suspends) editor.on("SIGTSTP", () => {});
    // After Ctrl-Z and fg readline waits to be asked to go on.
    editor.on("SIGCONT", () => editor.prompt(true));
    editor.on("close", () => this.closed());
    // A terminal that has gone cannot be given back as it was.
    editor.on("error", () => this.closed());
    editor.prompt();
  }

  /**
   * Resolved when the user has left: with `quit`, Ctrl-D, or Ctrl-C while a chunk ran.
   * @throws what `execute` threw
   */
  get left(): Promise<Leaving> {
    return this.leaving.promise;
  }

  /** Has whole lines written above the one that is being typed. */
  above(write: () => void): void {
    this.erase();
    write();
    if (this.open && !(this.running && this.editor.line === "")) this.editor.prompt(true);
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (!this.open) return;
    this.erase();
    this.open = false;
    this.editor.close();
  }

  /** Runs what waits, one line after the other. */
  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    this.editor.setPrompt("");
    try {
      for (let line = this.waiting.shift(); line !== undefined; line = this.waiting.shift()) {
        if (line.trim() === QUIT) return this.leave("quit");
        if (line.trim() === "") continue;
        this.options.history.add(line);
        const answer = ended(showable(await this.options.execute(toByteString(line))));
        this.above(() => this.output.write(answer));
      }
    } catch (error) {
      this.close();
      this.leaving.reject(error);
      return;
    }
    this.running = false;
    if (!this.open) return this.leave("quit");
    this.editor.setPrompt(PROMPT);
    this.editor.prompt(true);
  }

  /** As a shell does: gives the line up for a new one. A chunk that runs cannot be taken back, so then it leaves. */
  private interrupt(): void {
    const { editor } = this;
    editor.write(null, { ctrl: true, name: "e" });
    this.output.write("^C\n");
    Object.assign(editor, { line: "", cursor: 0, prevRows: 0 });
    if (this.running) return this.leave("interrupt");
    editor.prompt();
  }

  private leave(how: Leaving): void {
    this.close();
    this.leaving.resolve(how);
  }

  /** Ctrl-D, or the terminal has gone. What runs may end. */
  private closed(): void {
    if (!this.open) return;
    this.open = false;
    this.output.write("\n");
    if (!this.running) this.leave("quit");
  }

  /** Clears the rows of the line that is being typed, and leaves the cursor where it began. */
  private erase(): void {
    if (!this.open) return;
    moveCursor(this.output, 0, -this.editor.getCursorPos().rows);
    cursorTo(this.output, 0);
    clearScreenDown(this.output);
    // Otherwise the next drawing goes up by these rows again.
    this.editor.prevRows = 0;
  }
}

/** The names that the word before the cursor begins, as they are called; an empty line has them all. */
function complete(line: string): [hits: string[], word: string] {
  const [word = ""] = /\w*$/.exec(line)!;
  if (word === "" && line !== "") return [[], ""];
  const calls = [...CONSOLE_COMMANDS.keys()].map((call) =>
    call.endsWith("()") ? call : call.replace(/(?<=\().*/, ""),
  );
  return [[...calls, QUIT].filter((call) => call.startsWith(word)), word];
}
