/**
 * The console at a terminal: a prompt with line editing, history and completion. Anything may be printed while a line is
 * being typed: it appears above, and the line is drawn again.
 */
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from "node:readline";

import { SHOWS_NIL } from "../lua/console-commands.ts";
import { toByteString, toText } from "../text/byte-string.ts";
import { stopwatch } from "../time/clock.ts";
import { ended, type Execute, QUIT, showable } from "./answer.ts";
import { complete } from "./completion.ts";
import { type History, mayBeKept, MOST_LINES } from "./history.ts";

const PROMPT = "> ";
/** After a line with which no chunk ends. */
const CONTINUED = ">> ";

const ONCE_MORE = "(Ctrl-C once more ends the daemon)\n";
const LEFT_ALONE = `(the chunk goes on, and its answer is not shown)\n${ONCE_MORE}`;

/** Milliseconds between two Ctrl-C that end a daemon. */
const TWICE = 2000;

/** The answer to a chunk that lacks its end: Lua's own console goes by the same. Nothing of it has run. */
const UNFINISHED = /^Error: \[string "[^]*"\]:\d+: .* near <eof>$/;

/** How the user left: in good order, or with Ctrl-C. */
type Leaving = "quit" | "interrupt";

/** What readline lets a program set, as Node's own REPL does, without declaring it. */
type Editor = Interface & { line: string; cursor: number; prevRows: number };

interface PromptOptions {
  execute: Execute;
  history: History;
  /** This process is the daemon: Ctrl-Z does not stop it, and Ctrl-C ends it only when it comes twice. */
  isDaemon: boolean;
}

export class Prompt {
  private readonly output = process.stdout;
  private readonly editor: Editor;
  /** Lines that were typed or pasted while a chunk ran. */
  private readonly waiting: string[] = [];
  private readonly leaving = Promise.withResolvers<Leaving>();
  private running = false;
  /** Lines of a chunk that goes on in the next one. */
  private begun = "";
  /** Called when the answer of the chunk that runs is not waited for any more. */
  private giveUp: () => void = () => {};
  private interrupted = -Infinity;
  private open = true;

  /** Takes standard input and output over, which must be a terminal, until the user leaves or {@link close} is called. */
  constructor(private readonly options: PromptOptions) {
    const { history, isDaemon } = options;
    const editor = createInterface({
      input: process.stdin,
      output: this.output,
      terminal: true,
      prompt: PROMPT,
      history: history.read().toReversed(),
      historySize: MOST_LINES,
      completer: (line: string, done: (error: null, result: [string[], string]) => void) =>
        void this.complete(line).then((result) => done(null, result)),
    }) as Editor;
    this.editor = editor;
    editor.on("history", (lines) => void (mayBeKept(lines[0] ?? "") || lines.shift()));
    editor.on("line", (line) => void (this.waiting.push(line), this.run()));
    editor.on("SIGINT", () => this.interrupt());
    if (isDaemon) editor.on("SIGTSTP", () => {});
    // After Ctrl-Z and fg readline waits to be asked to go on.
    editor.on("SIGCONT", () => editor.prompt(true));
    editor.on("close", () => this.closed());
    // A terminal that has gone cannot be given back as it was.
    editor.on("error", () => this.closed());
    editor.prompt();
  }

  /**
   * Resolved when the user has left: with `quit`, Ctrl-D, or Ctrl-C, twice at the daemon's own console and elsewhere while
   * a chunk ran.
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
        await this.take(line);
      }
    } catch (error) {
      this.close();
      this.leaving.reject(error);
      return;
    }
    this.running = false;
    if (!this.open) return this.leave("quit");
    this.editor.setPrompt(this.begun === "" ? PROMPT : CONTINUED);
    this.editor.prompt(true);
  }

  /** Runs a line, or the chunk that it ends. */
  private async take(line: string): Promise<void> {
    const chunk = this.begun === "" ? line : `${this.begun}\n${line}`;
    if (chunk.trim() === "") return;
    this.interrupted = -Infinity;
    this.options.history.add(line);
    const { promise: givenUp, resolve } = Promise.withResolvers<void>();
    this.giveUp = resolve;
    const answer = await Promise.race([this.options.execute(toByteString(chunk + SHOWS_NIL)), givenUp]);
    this.begun = "";
    if (answer === undefined) return;
    if (UNFINISHED.test(toText(answer))) this.begun = chunk;
    else this.above(() => this.output.write(ended(showable(answer))));
  }

  private complete(line: string): Promise<[hits: string[], word: string]> {
    return complete(line, this.running ? undefined : this.options.execute);
  }

  /** As a shell does: gives the line up for a new one. A chunk that runs cannot be taken back, it is left to itself. */
  private interrupt(): void {
    const { editor } = this;
    const { isDaemon } = this.options;
    const twice = editor.line === "" && stopwatch() - this.interrupted <= TWICE;
    this.interrupted = stopwatch();
    editor.write(null, { ctrl: true, name: "e" });
    this.output.write("^C\n");
    Object.assign(editor, { line: "", cursor: 0, prevRows: 0 });
    this.begun = "";
    this.waiting.length = 0;
    if (isDaemon ? twice : this.running) return this.leave("interrupt");
    if (isDaemon) this.output.write(this.running ? LEFT_ALONE : ONCE_MORE);
    if (this.running) return this.giveUp();
    editor.setPrompt(PROMPT);
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
