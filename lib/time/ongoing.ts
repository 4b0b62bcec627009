/** Counts what goes on, and tells when all of it has ended. */
export class Ongoing {
  private active = 0;
  private idle: PromiseWithResolvers<void> | undefined;

  get count(): number {
    return this.active;
  }

  begin(): void {
    this.active++;
  }

  end(): void {
    if (--this.active > 0) return;
    this.idle?.resolve();
    this.idle = undefined;
  }

  /** @returns when nothing goes on; at once if nothing does */
  async ended(): Promise<void> {
    if (this.active > 0) await (this.idle ??= Promise.withResolvers<void>()).promise;
  }
}
