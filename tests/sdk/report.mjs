// Counts what held and what did not. A check that fails says so and the run goes on: one table shows all
// that is wrong with a server, not the first thing.
export class Report {
  #passed = 0;
  #failures = [];
  #requestIds = new Set();

  check(good, what, got = '') {
    if (good) {
      this.#passed++;
    } else {
      this.#failures.push(`FAILED: ${what}${got === '' ? '' : `: got ${show(got)}`}`);
      console.log(this.#failures.at(-1));
    }
    return Boolean(good);
  }

  // Upper case, and never twice.
  checkRequestId(id, what) {
    const good =
      /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/.test(id) && !this.#requestIds.has(id);
    this.#requestIds.add(id);
    return this.check(good, `${what}: the RequestId`, id);
  }

  // Prints what failed once more, where it is found, and the count; returns the exit status.
  close() {
    console.log(`\n${this.#failures.map((failure) => `${failure}\n`).join('')}`);
    console.log(`${this.#passed} passed, ${this.#failures.length} failed`);
    return this.#failures.length === 0 ? 0 : 1;
  }
}

export function show(value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 400 ? `${text.slice(0, 400)}...` : text;
}
