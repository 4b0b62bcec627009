/**
 * Kinds of metrics in the Prometheus text format, version 0.0.4:
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */

/** Something that is shown on /metrics. */
export interface Metric {
  readonly name: string;
  /** The HELP and TYPE lines and a line for each sample. */
  format(): string | Promise<string>;
}

/** The number of one combination of label values; who counts often keeps it and needs no look-up. */
export interface Cell {
  value: number;
}

interface Sample extends Cell {
  /** `name{label="value"}`. */
  readonly text: string;
}

/** A number that only goes up, one for each combination of label values that has been counted or declared. */
export class Counter implements Metric {
  private readonly samples = new Map<string, Sample>();
  private readonly labels: readonly string[];

  /** Without labels it is a single number, which starts at 0. */
  constructor(
    readonly name: string,
    private readonly help: string,
    ...labels: string[]
  ) {
    this.labels = labels;
    if (labels.length === 0) this.cell();
  }

  /** Where to count for these label values, which appear from now on. @param values in the order of the labels */
  cell(...values: string[]): Cell {
    const key = keyOf(values);
    let sample = this.samples.get(key);
    if (!sample) {
      sample = { text: this.name + formatLabels(this.labels, values), value: 0 };
      this.samples.set(key, sample);
    }
    return sample;
  }

  /** Makes label values appear before they are first counted. */
  declare(...values: string[]): void {
    this.cell(...values);
  }

  /** Adds one. */
  increment(...values: string[]): void {
    this.cell(...values).value++;
  }

  get(...values: string[]): number {
    return this.samples.get(keyOf(values))?.value ?? 0;
  }

  format(): string {
    let text = header(this.name, this.help, "counter");
    for (const sample of this.samples.values()) text += `${sample.text} ${sample.value}\n`;
    return text;
  }
}

/** A number that is kept elsewhere, and asked for when it is shown. */
class Read implements Metric {
  constructor(
    private readonly type: "gauge" | "counter",
    readonly name: string,
    private readonly help: string,
    private readonly read: () => number,
  ) {}

  format(): string {
    return `${header(this.name, this.help, this.type)}${this.name} ${formatNumber(this.read())}\n`;
  }
}

/** A number that goes up and down. */
export class Gauge extends Read {
  constructor(name: string, help: string, read: () => number) {
    super("gauge", name, help, read);
  }
}

/** A number that only goes up, and is counted elsewhere. */
export class ReadCounter extends Read {
  constructor(name: string, help: string, read: () => number) {
    super("counter", name, help, read);
  }
}

/** A number that goes up and down for each value of a label, asked for when they are shown. */
export class LabelledGauge implements Metric {
  constructor(
    readonly name: string,
    private readonly help: string,
    private readonly label: string,
    private readonly read: () => Iterable<readonly [value: string, number]>,
  ) {}

  format(): string {
    let text = header(this.name, this.help, "gauge");
    for (const [value, number] of this.read()) {
      text += `${this.name}${formatLabels([this.label], [value])} ${formatNumber(number)}\n`;
    }
    return text;
  }
}

/** How many observations were at most each bound, their sum and count. */
export class Histogram implements Metric {
  private readonly buckets: number[];
  private sum = 0;

  /** @param bounds ascending, in the unit of the name; one for all that is more is added */
  constructor(
    readonly name: string,
    private readonly help: string,
    private readonly bounds: readonly number[],
  ) {
    this.buckets = new Array<number>(bounds.length + 1).fill(0);
  }

  /** @returns the place of its bound, or the number of bounds when it is more than all */
  observe(value: number): number {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.buckets[bucket]!++;
    this.sum += value;
    return bucket;
  }

  format(): string {
    let text = header(this.name, this.help, "histogram");
    let count = 0;
    for (const [bucket, bound] of [...this.bounds, "+Inf"].entries()) {
      count += this.buckets[bucket]!;
      text += `${this.name}_bucket{le="${bound}"} ${count}\n`;
    }
    return `${text}${this.name}_sum ${this.sum}\n${this.name}_count ${count}\n`;
  }
}

/** One value is its own key; NUL keeps several apart. */
const keyOf = (values: readonly string[]): string => (values.length === 1 ? values[0]! : values.join("\0"));

const header = (name: string, help: string, type: string): string => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;

const formatNumber = (value: number): string => (value === Infinity ? "+Inf" : String(value));

const formatLabels = (names: readonly string[], values: readonly string[]): string =>
  names.length === 0 ? "" : `{${names.map((name, i) => `${name}="${escapeLabel(values[i]!)}"`).join(",")}}`;

const escapeLabel = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
