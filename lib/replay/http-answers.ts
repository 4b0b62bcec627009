/** Answers the requests of policies from the fixture. */
import { STATUS_CODES } from "node:http";

import { type HttpClient, HttpFailure, type HttpRequest, type HttpResponse } from "../net/http-client.ts";
import type { Clock } from "../time/clock.ts";
import type { HttpAnswer } from "./fixture.ts";

/** Entries for the same requests: they answer in turn, and the last of them goes on answering. */
interface Sequence {
  /** In which `*` stands for anything. */
  url: string;
  method: string | undefined;
  answers: HttpAnswer[];
}

interface HttpAnswersOptions {
  clock: Clock;
  /** Told of each request, with its answer if there is one. */
  asked: (request: HttpRequest, answer: HttpAnswer | undefined) => void;
}

export class HttpAnswers implements HttpClient {
  private readonly sequences = new Map<string, Sequence>();

  constructor(
    answers: readonly HttpAnswer[],
    private readonly options: HttpAnswersOptions,
  ) {
    for (const answer of answers) {
      const { url, method } = answer;
      const key = `${method ?? "*"} ${url}`;
      const sequence = this.sequences.get(key);
      if (sequence) sequence.answers.push(answer);
      else this.sequences.set(key, { url, method, answers: [answer] });
    }
  }

  /** The first entry that matches decides. It takes a turn of the clock, so that who asks in a loop is noticed. */
  request(request: HttpRequest): Promise<HttpResponse> {
    const { clock, asked } = this.options;
    const answer = this.find(request);
    asked(request, answer);
    return new Promise((resolve, reject) => {
      clock.after(0, () => {
        if (answer) resolve(toResponse(answer));
        else reject(new HttpFailure("no entry of the fixture's `http` answers this"));
      });
    });
  }

  private find({ url: { href }, method }: HttpRequest): HttpAnswer | undefined {
    for (const sequence of this.sequences.values()) {
      const { url, answers } = sequence;
      if ((sequence.method ?? method.toUpperCase()) !== method.toUpperCase() || !matches(url, href)) continue;
      return answers.length > 1 ? answers.shift() : answers[0];
    }
    return undefined;
  }
}

/**
 * Whether a URL is one that a pattern stands for, in which `*` is anything. The parts are looked for from left to right, each
 * where it comes first: a regular expression would try all places of all parts. An URL without a path is written without its
 * slash, too.
 */
function matches(pattern: string, url: string): boolean {
  if (WITHOUT_PATH.test(pattern) && url === `${pattern}/`) return true;
  const [first, ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return url === first;
  if (!url.startsWith(first!)) return false;
  let at = first!.length;
  for (const part of rest) {
    const found = url.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return url.length - last.length >= at && url.endsWith(last);
}

const WITHOUT_PATH = /^https?:\/\/[^/*]+$/;

const toResponse = ({ status, headers, body }: HttpAnswer): HttpResponse => ({
  status,
  reason: STATUS_CODES[status] ?? "",
  headers: new Map(headers),
  body,
});
