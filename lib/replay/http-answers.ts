/** Answers the requests of policies from the fixture. */
import { STATUS_CODES } from "node:http";

import { type HttpClient, HttpFailure, type HttpRequest, type HttpResponse } from "../net/http-client.ts";
import type { Clock } from "../time/clock.ts";
import type { HttpAnswer } from "./fixture.ts";

/** Entries for the same requests: they answer in turn, and the last of them goes on answering. */
interface Sequence {
  pattern: RegExp;
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
      else this.sequences.set(key, { pattern: toPattern(url), method, answers: [answer] });
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
      const { pattern, answers } = sequence;
      if ((sequence.method ?? method.toUpperCase()) !== method.toUpperCase() || !pattern.test(href)) continue;
      return answers.length > 1 ? answers.shift() : answers[0];
    }
    return undefined;
  }
}

/** An URL without a path is written without its slash, too. */
const toPattern = (url: string): RegExp =>
  new RegExp(`^${url.split("*").map(RegExp.escape).join(".*")}${/^https?:\/\/[^/*]+$/.test(url) ? "/?" : ""}$`);

const toResponse = ({ status, headers, body }: HttpAnswer): HttpResponse => ({
  status,
  reason: STATUS_CODES[status] ?? "",
  headers: new Map(headers),
  body,
});
